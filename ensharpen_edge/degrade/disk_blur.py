"""Defocus: the uniform disk that a point becomes behind a round aperture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class DiskBlurConfig:
    """Distribution of disks.

    Attributes:
        radius: Range in pixels.
        size: Kernel side, odd, at least `2 * radius + 1`.
    """

    radius: tuple[float, float] = (0.8, 6.0)
    size: int = 25


def disk_kernels(radius: Tensor, size: int, oversampling: int = 8) -> Tensor:
    """(N, size, size) disks that sum to 1; pixels on the rim weigh by the area covered (sampled on a fine grid).

    A disk that falls between the points of that grid leaves the image as it is.
    """
    fine = size * oversampling
    axis = (torch.arange(fine, dtype=radius.dtype, device=radius.device) + 0.5) / oversampling - size / 2
    inside = (axis[:, None] ** 2 + axis[None, :] ** 2)[None] <= (radius**2)[:, None, None]
    blocks = inside.to(radius.dtype).reshape(-1, size, oversampling, size, oversampling)
    kernels = blocks.mean(dim=(2, 4))
    kernels[kernels.sum(dim=(1, 2)) == 0, size // 2, size // 2] = 1.0
    return kernels / kernels.sum(dim=(1, 2), keepdim=True)


def sample_disk_kernels(config: DiskBlurConfig, count: int, generator: torch.Generator) -> Tensor:
    """Draw (count, size, size) kernels."""
    low, high = config.radius
    radius = low + (high - low) * torch.rand(count, generator=generator, device=generator.device)
    return disk_kernels(radius, config.size)
