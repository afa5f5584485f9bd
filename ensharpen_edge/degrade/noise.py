"""Additive white Gaussian noise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class GaussianNoiseConfig:
    """Distribution of the noise level.

    Attributes:
        sigma: Range of the standard deviation in units of [0, 1] (10/255 = 0.039).
        clean: Probability of no noise at all.
        exponent: The level is `low + (high - low) * u ** exponent` with uniform u; above 1 prefers weak noise.
    """

    sigma: tuple[float, float] = (0.0, 10.0 / 255.0)
    clean: float = 0.2
    exponent: float = 1.5


def sample_noise_levels(config: GaussianNoiseConfig, count: int, generator: torch.Generator) -> Tensor:
    """Draw (count,) standard deviations."""
    low, high = config.sigma
    draw = torch.rand(2, count, generator=generator, device=generator.device)
    levels = low + (high - low) * draw[0] ** config.exponent
    return torch.where(draw[1] < config.clean, torch.zeros_like(levels), levels)


def add_noise(images: Tensor, levels: Tensor, generator: torch.Generator, *, grey: bool = False) -> Tensor:
    """Add white Gaussian noise of `levels` (N,) to images (N, C, H, W). The result is not clipped.

    Grey noise is the same in all channels.
    """
    n, channels, height, width = images.shape
    shape = (n, 1 if grey else channels, height, width)
    noise = torch.randn(shape, generator=generator, device=images.device, dtype=images.dtype)
    return images + noise * levels[:, None, None, None]
