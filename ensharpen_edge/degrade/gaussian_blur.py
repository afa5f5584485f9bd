"""Gaussian blur kernels, isotropic and anisotropic."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class GaussianBlurConfig:
    """Distribution of Gaussian kernels.

    Attributes:
        sigma: Range of the standard deviation, in pixels.
        anisotropic: Probability that the two axes differ and the kernel is rotated.
        size: Kernel side, odd; 25 holds four standard deviations of the widest blur.
    """

    sigma: tuple[float, float] = (0.3, 3.0)
    anisotropic: float = 0.3
    size: int = 25


def gaussian_kernels(sigma_x: Tensor, sigma_y: Tensor, angle: Tensor, size: int) -> Tensor:
    """Return normalised Gaussian kernels.

    Args:
        sigma_x, sigma_y: (N,) standard deviations along the kernel's own axes, pixels.
        angle: (N,) rotation, radians.
        size: Odd side of the kernels.

    Returns:
        (N, size, size), each summing to 1.
    """
    axis = torch.arange(size, dtype=sigma_x.dtype, device=sigma_x.device) - size // 2
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    cos, sin = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    u = cos * x + sin * y
    v = -sin * x + cos * y
    kernels = torch.exp(-0.5 * ((u / sigma_x[:, None, None]) ** 2 + (v / sigma_y[:, None, None]) ** 2))
    return kernels / kernels.sum(dim=(1, 2), keepdim=True)


def sample_gaussian_kernels(config: GaussianBlurConfig, count: int, generator: torch.Generator) -> Tensor:
    """Draw `count` kernels: (count, size, size)."""
    low, high = config.sigma
    device = generator.device
    draw = torch.rand(4, count, generator=generator, device=device)
    sigma_x = low + (high - low) * draw[0]
    isotropic = draw[3] >= config.anisotropic
    sigma_y = torch.where(isotropic, sigma_x, low + (high - low) * draw[1])
    return gaussian_kernels(sigma_x, sigma_y, draw[2] * math.pi, config.size)
