"""Fixed conditions, for validation and gates: a soft lens, a noisy sensor, an 8-bit file."""

from __future__ import annotations

import torch
from torch import Tensor

from ensharpen_edge.degrade.convolve import convolve
from ensharpen_edge.degrade.gaussian_blur import gaussian_kernels
from ensharpen_edge.degrade.noise import add_noise

KERNEL_SIZE = 25


_SOFT = ((1.0, 0.0), (1.6, 2.55), (2.4, 2.55))
_NOISY = ((0.0, 10.0), (0.0, 25.0), (0.0, 40.0))
_SMALL = ((0.0, 0.0), (0.6, 0.0), (0.0, 2.55))


def gate_cases(task: str) -> tuple[tuple[float, float], ...]:
    """(blur sigma in pixels, noise sigma in code values) that exports are judged on, all in every training range.

    Args:
        task: Task of the network.
    """
    if task.startswith("upscale"):
        return _SMALL
    return _NOISY if task == "denoise" else _SOFT


def to_eight_bit(images: Tensor) -> Tensor:
    """Clip to [0, 1] and round to the 256 code values of a file."""
    return (images.clamp(0.0, 1.0) * 255.0).round() / 255.0


def soft_photo(sharp: Tensor, blur: float, noise: float, generator: torch.Generator) -> Tensor:
    """Degrade with isotropic Gaussian blur (mirrored borders), white noise, and 8 bits.

    Args:
        sharp: float (N, 3, H, W) in [0, 1].
        blur: Standard deviation in pixels; 0 for none.
        noise: Standard deviation in code values (0..255).
        generator: Source of the noise.

    Returns:
        float (N, 3, H, W), multiples of 1/255.
    """
    level = torch.full((sharp.shape[0],), noise / 255.0)
    return to_eight_bit(add_noise(_blurred(sharp, blur) if blur else sharp, level, generator))


def _blurred(sharp: Tensor, blur: float) -> Tensor:
    width = torch.full((sharp.shape[0],), blur)
    return convolve(sharp, gaussian_kernels(width, width, torch.zeros_like(width), KERNEL_SIZE))
