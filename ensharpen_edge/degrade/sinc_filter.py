"""Ideal low-pass kernels: the ringing that other people's sharpening and resizing leaves behind."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SincConfig:
    """Distribution of cut-off frequencies.

    Attributes:
        cutoff: Range in radians per pixel; pi passes everything.
        size: Kernel side, odd.
    """

    cutoff: tuple[float, float] = (math.pi / 3, math.pi)
    size: int = 21


def sinc_kernels(cutoff: Tensor, size: int) -> Tensor:
    """(N, size, size) circularly symmetric low-pass kernels, `w J1(w r) / (2 pi r)`, that sum to 1.

    The two-dimensional sinc of Real-ESRGAN (Wang et al. 2021).
    """
    axis = torch.arange(size, dtype=cutoff.dtype, device=cutoff.device) - size // 2
    radius = (axis[:, None] ** 2 + axis[None, :] ** 2).sqrt()[None]
    w = cutoff[:, None, None]
    safe = radius.clamp(min=1e-6)
    kernels = w * torch.special.bessel_j1(w * safe) / (2 * math.pi * safe)
    kernels = torch.where(radius == 0, w * w / (4 * math.pi), kernels)
    return kernels / kernels.sum(dim=(1, 2), keepdim=True)


def sample_sinc_kernels(config: SincConfig, count: int, generator: torch.Generator) -> Tensor:
    """Draw (count, size, size) kernels."""
    low, high = config.cutoff
    return sinc_kernels(
        low + (high - low) * torch.rand(count, generator=generator, device=generator.device), config.size
    )
