"""Generalised and plateau Gaussian kernels: sharper or flatter tops than a lens's ideal Gaussian.

Wang et al.: Real-ESRGAN: training real-world blind super-resolution with pure synthetic data, 2021, section 3.1; the
shapes follow Liu et al., Estimating generalized Gaussian blur kernels for out-of-focus image deblurring, 2020.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Shape = Literal["generalised", "plateau"]


@dataclass(frozen=True)
class GeneralisedGaussianConfig:
    """Distribution of the kernels.

    Attributes:
        shape: `generalised`: `exp(-q^beta / 2)`; `plateau`: `1 / (1 + q^beta)`, q the squared normalised distance.
        sigma: Range of both axes' standard deviations, pixels.
        beta: Range of the exponent; 1 is the ordinary Gaussian for `generalised`.
        anisotropic: Probability of two different axes.
        size: Kernel side, odd.
    """

    shape: Shape = "generalised"
    sigma: tuple[float, float] = (0.3, 3.0)
    beta: tuple[float, float] = (0.5, 4.0)
    anisotropic: float = 0.3
    size: int = 25


def generalised_kernels(
    sigma_x: Tensor, sigma_y: Tensor, angle: Tensor, beta: Tensor, size: int, shape: Shape
) -> Tensor:
    """(N, size, size) kernels that sum to 1.

    Args:
        sigma_x, sigma_y, angle, beta: (N,) each; pixels, pixels, radians, exponent.
    """
    axis = torch.arange(size, dtype=sigma_x.dtype, device=sigma_x.device) - size // 2
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    cos, sin = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    u, v = cos * x + sin * y, cos * y - sin * x
    q = (u / sigma_x[:, None, None]) ** 2 + (v / sigma_y[:, None, None]) ** 2
    power = q ** beta[:, None, None]
    kernels = torch.exp(-0.5 * power) if shape == "generalised" else 1.0 / (1.0 + power)
    return kernels / kernels.sum(dim=(1, 2), keepdim=True)


def sample_generalised_kernels(config: GeneralisedGaussianConfig, count: int, generator: torch.Generator) -> Tensor:
    """Draw (count, size, size) kernels. Half of the exponents lie below 1 and half above, as in Real-ESRGAN."""
    draw = torch.rand(6, count, generator=generator, device=generator.device)
    low, high = config.sigma
    sigma_x = low + (high - low) * draw[0]
    sigma_y = torch.where(draw[1] < config.anisotropic, low + (high - low) * draw[2], sigma_x)
    beta_low, beta_high = config.beta
    middle = min(max(1.0, beta_low), beta_high)
    below = beta_low + (middle - beta_low) * draw[4]
    above = middle + (beta_high - middle) * draw[4]
    beta = torch.where(draw[5] < 0.5, below, above)
    return generalised_kernels(sigma_x, sigma_y, draw[3] * math.pi, beta, config.size, config.shape)
