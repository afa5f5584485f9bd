"""Moffat kernels: a sharp core with wide tails, as scattered light and the residual errors of a lens leave it.

Moffat: A theoretical investigation of focal stellar images in the photographic emulsion, Astronomy and Astrophysics 3,
1969: `(1 + (r / a)^2)^-b`, whose full width at half maximum is `2 a sqrt(2^(1 / b) - 1)`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class MoffatBlurConfig:
    """Distribution of the kernels.

    Attributes:
        width: Range of the full width at half maximum, pixels.
        beta: Range of the exponent: small ones have wide tails, from about 5 on the kernel is nearly a Gaussian.
        size: Kernel side, odd.
    """

    width: tuple[float, float] = (1.0, 6.0)
    beta: tuple[float, float] = (1.5, 4.0)
    size: int = 25


def moffat_kernels(width: Tensor, beta: Tensor, size: int) -> Tensor:
    """Return (N, size, size) kernels that sum to 1.

    Args:
        width: (N,), full width at half maximum, pixels.
        beta: (N,), exponent.
        size: Kernel side, odd.
    """
    axis = torch.arange(size, dtype=width.dtype, device=width.device) - size // 2
    square = axis[None, :, None] ** 2 + axis[None, None, :] ** 2
    scale = width / (2.0 * torch.sqrt(2.0 ** (1.0 / beta) - 1.0))
    kernels = (1.0 + square / scale[:, None, None] ** 2) ** -beta[:, None, None]
    return kernels / kernels.sum(dim=(1, 2), keepdim=True)


def sample_moffat_kernels(config: MoffatBlurConfig, count: int, generator: torch.Generator) -> Tensor:
    """Draw (count, size, size) kernels."""
    draw = torch.rand(2, count, generator=generator, device=generator.device)
    ends = ((config.width, draw[0]), (config.beta, draw[1]))
    width, beta = (low + (high - low) * share for (low, high), share in ends)
    return moffat_kernels(width, beta, config.size)
