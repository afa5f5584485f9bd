"""Downsampling for super-resolution heads and second-order mixes."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

Filter = Literal["area", "bilinear", "bicubic"]


def resize(images: Tensor, size: tuple[int, int], kind: Filter) -> Tensor:
    """Resize (N, C, H, W) to `size` (height, width). Bilinear and bicubic filter against aliasing when they shrink."""
    if kind == "area":
        return F.interpolate(images, size=size, mode="area")
    return F.interpolate(images, size=size, mode=kind, align_corners=False, antialias=True)


def downsample(images: Tensor, factor: int, kind: Filter) -> Tensor:
    """Shrink (N, C, H, W) by 2 or 4.

    Raises:
        ValueError: The sides are no multiples of the factor.
    """
    height, width = images.shape[-2:]
    if height % factor or width % factor:
        raise ValueError(f"{height}x{width} cannot be divided by {factor}")
    return resize(images, (height // factor, width // factor), kind)
