"""Deconvolution with the true kernel, borders circular as the protocol's: bounds that a blind method works against."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ensharpen_edge.benchmarks.protocol import F32, blur_circular

F64 = NDArray[np.float64]

_TINY = 1e-6


def _spectrum(kernel: F64, shape: tuple[int, ...]) -> NDArray[np.complex128]:
    """Of a kernel centred on the first pixel of an (H, W) image."""
    padded = np.zeros(shape)
    padded[: kernel.shape[0], : kernel.shape[1]] = kernel
    padded = np.roll(padded, (-(kernel.shape[0] // 2), -(kernel.shape[1] // 2)), axis=(0, 1))
    return np.asarray(np.fft.rfft2(padded))


def _gradients(shape: tuple[int, ...]) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    right, down = np.zeros(shape), np.zeros(shape)
    right[0, 0] = down[0, 0] = -1.0
    right[0, -1] = down[-1, 0] = 1.0
    return np.asarray(np.fft.rfft2(right)), np.asarray(np.fft.rfft2(down))


def wiener(image: F32, kernel: F64, weight: float) -> F32:
    """Wiener deconvolution with the spectrum of gradients as prior: |D|^2 weighs what is noise.

    Args:
        image: (H, W, C), 0..1.
        kernel: (k, k), sums to 1.
        weight: Of the prior; about the noise's variance over that of a photograph's gradients.
    """
    shape = image.shape[:2]
    blur, (right, down) = _spectrum(kernel, shape), _gradients(shape)
    gain = np.conj(blur) / (np.abs(blur) ** 2 + weight * (np.abs(right) ** 2 + np.abs(down) ** 2) + _TINY)
    planes = [np.fft.irfft2(np.fft.rfft2(image[:, :, c]) * gain, s=shape) for c in range(image.shape[2])]
    return np.asarray(np.stack(planes, axis=2), dtype=np.float32)


def richardson_lucy(image: F32, kernel: F64, iterations: int) -> F32:
    """Richardson 1972, Lucy 1974; for Poisson noise, stopped early instead of regularised."""
    observed = np.clip(image.astype(np.float64), _TINY, None)
    estimate, mirrored = observed.copy(), kernel[::-1, ::-1]
    for _ in range(iterations):
        ratio = observed / np.maximum(blur_circular(estimate, kernel), _TINY)
        estimate *= blur_circular(ratio, mirrored)
    return np.asarray(np.clip(estimate, 0.0, 1.0), dtype=np.float32)


def total_variation(image: F32, kernel: F64, weight: float, iterations: int = 40, penalty: float = 0.1) -> F32:
    """Total variation by splitting the gradients off: Wang, Yang, Yin, Zhang: A new alternating minimization algorithm
    for total variation image reconstruction, 2008, in the form with multipliers (ADMM); isotropic, channel by channel.

    Args:
        image: (H, W, C), 0..1.
        kernel: (k, k), sums to 1.
        weight: Of the total variation.
        iterations: Rounds.
        penalty: Of the difference between gradients and their split copy.
    """
    shape = image.shape[:2]
    blur, (right, down) = _spectrum(kernel, shape), _gradients(shape)
    below = np.abs(blur) ** 2 + penalty * (np.abs(right) ** 2 + np.abs(down) ** 2)
    planes = []
    for channel in range(image.shape[2]):
        data = np.conj(blur) * np.fft.rfft2(image[:, :, channel])
        split, multipliers = np.zeros((2, *shape)), np.zeros((2, *shape))
        for _ in range(iterations):
            pulled = [np.fft.rfft2(part) for part in split - multipliers]
            above = data + penalty * (np.conj(right) * pulled[0] + np.conj(down) * pulled[1])
            spectrum = above / (below + _TINY)
            steps = np.stack([np.fft.irfft2(spectrum * axis, s=shape) for axis in (right, down)]) + multipliers
            length = np.sqrt((steps**2).sum(axis=0, keepdims=True))
            split = steps * np.maximum(1.0 - (weight / penalty) / np.maximum(length, _TINY), 0.0)
            multipliers = steps - split
        planes.append(np.fft.irfft2(spectrum, s=shape))
    return np.asarray(np.stack(planes, axis=2), dtype=np.float32)
