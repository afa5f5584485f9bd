"""Linear motion blur: a camera that pans at constant speed during the exposure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ensharpen_edge.degrade.motion_path import rasterise_paths


@dataclass(frozen=True)
class LinearMotionConfig:
    """Distribution of strokes.

    Attributes:
        length: Range in pixels.
        size: Kernel side, odd, larger than the longest stroke.
    """

    length: tuple[float, float] = (2.0, 20.0)
    size: int = 25


def linear_motion_kernels(length: Tensor, angle: Tensor, size: int) -> Tensor:
    """(N, size, size) strokes of `length` (N,) pixels at `angle` (N,) radians, counted from the x axis."""
    samples = 8 * size
    along = torch.linspace(-0.5, 0.5, samples, dtype=length.dtype, device=length.device)
    direction = torch.stack([torch.cos(angle), torch.sin(angle)], dim=-1)
    return rasterise_paths(along[None, :, None] * (length[:, None] * direction)[:, None, :], size)


def sample_linear_motion_kernels(config: LinearMotionConfig, count: int, generator: torch.Generator) -> Tensor:
    """Draw (count, size, size) kernels; every direction is as likely."""
    low, high = config.length
    draw = torch.rand(2, count, generator=generator, device=generator.device)
    return linear_motion_kernels(low + (high - low) * draw[0], draw[1] * math.pi, config.size)
