"""One fixed condition, for validation and gates: a soft lens, a noisy sensor, an 8-bit file."""

from __future__ import annotations

import torch
from torch import Tensor

from ensharpen_edge.degrade.convolve import convolve
from ensharpen_edge.degrade.gaussian_blur import gaussian_kernels
from ensharpen_edge.degrade.noise import add_noise

KERNEL_SIZE = 25


GATE_CASES = ((1.0, 0.0), (1.6, 2.55), (2.4, 2.55))
"""(blur sigma in pixels, noise sigma in code values) that exports are judged on, all in every training range."""


def to_eight_bit(images: Tensor) -> Tensor:
    """Clip to [0, 1] and round to the 256 code values of a file."""
    return (images.clamp(0.0, 1.0) * 255.0).round() / 255.0


def soft_photo(sharp: Tensor, blur: float, noise: float, generator: torch.Generator) -> Tensor:
    """Isotropic Gaussian blur with mirrored borders, white noise, 8 bits.

    Args:
        sharp: float (N, 3, H, W) in [0, 1].
        blur: Standard deviation in pixels.
        noise: Standard deviation in code values (0..255).
        generator: Source of the noise.

    Returns:
        float (N, 3, H, W), multiples of 1/255.
    """
    width = torch.full((sharp.shape[0],), blur)
    blurred = convolve(sharp, gaussian_kernels(width, width, torch.zeros_like(width), KERNEL_SIZE))
    return to_eight_bit(add_noise(blurred, torch.full_like(width, noise / 255.0), generator))
