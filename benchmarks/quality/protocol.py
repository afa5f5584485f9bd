"""The synthetic deblurring protocol of the literature (IRCNN, DPIR), so that figures can be compared with theirs.

An 8-bit photograph is blurred by a 25x25 Gaussian kernel with circular borders, then white Gaussian noise is added
from a generator seeded with 0 for every image; the result is neither clipped nor rounded. The output is rounded to
8 bits, and PSNR is taken over all RGB samples without cropping a border.
Zhang et al.: Plug-and-play image restoration with deep denoiser prior, 2021 (code: main_dpir_deblur).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ensharpen_edge.arrays import F32, U8

KERNEL_SIZE = 25
SEED = 0


@dataclass(frozen=True)
class GaussianCase:
    """One condition.

    Attributes:
        blur: Standard deviation of the kernel, pixels.
        noise: Standard deviation of the noise, code values (0..255).
    """

    blur: float
    noise: float


def gaussian_kernel(sigma: float, size: int = KERNEL_SIZE) -> NDArray[np.float64]:
    """Return a Gaussian kernel that sums to 1, (size, size); `sigma` in pixels."""
    axis = np.arange(size) - size // 2
    profile = np.exp(-0.5 * (axis / sigma) ** 2)
    kernel = np.outer(profile, profile)
    return np.asarray(kernel / kernel.sum())


def blur_circular(image: NDArray[np.float64], kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convolve (H, W, C) with a kernel; beyond each edge lies the opposite side."""
    height, width = image.shape[:2]
    padded = np.zeros((height, width))
    padded[: kernel.shape[0], : kernel.shape[1]] = kernel
    padded = np.roll(padded, (-(kernel.shape[0] // 2), -(kernel.shape[1] // 2)), axis=(0, 1))
    spectrum = np.fft.rfft2(padded)[:, :, None]
    return np.fft.irfft2(np.fft.rfft2(image, axes=(0, 1)) * spectrum, s=(height, width), axes=(0, 1))


def add_noise(image: NDArray[np.float64], noise: float) -> F32:
    """Add white noise from seed 0 to code values (H, W, 3); returns float32 with white at 1, not clipped."""
    grain = np.random.RandomState(SEED).normal(0.0, noise, image.shape)
    return np.asarray((image + grain) / 255.0, dtype=np.float32)


def degrade(sharp: U8, case: GaussianCase) -> F32:
    """Blur a photograph and add noise; returns float32 (H, W, 3), in 0..1 apart from the noise's excursions."""
    return add_noise(blur_circular(sharp.astype(np.float64), gaussian_kernel(case.blur)), case.noise)
