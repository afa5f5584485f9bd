"""Deconvolution with the true kernel, borders circular as the protocol's: bounds that a blind method works against."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensharpen_edge.arrays import F32, F64
from ensharpen_edge.errors import require

Spectrum = NDArray[np.complex64]

_TINY = 1e-6


def _fft() -> Any:  # noqa: ANN401 (a module; numpy's own has no single precision and is slow on odd sizes)
    return require("scipy.fft", "bench")


def _forward(planes: NDArray[Any]) -> Spectrum:
    """Transform the last two axes, in single precision."""
    return np.asarray(_fft().rfft2(np.asarray(planes, dtype=np.float32)))


def _back(spectrum: Spectrum, shape: tuple[int, ...]) -> F32:
    return np.asarray(_fft().irfft2(spectrum, s=shape), dtype=np.float32)


def _spectrum(kernel: F64, shape: tuple[int, ...]) -> Spectrum:
    """Return the spectrum of a kernel centred on the first pixel of an (H, W) image."""
    padded = np.zeros(shape)
    padded[: kernel.shape[0], : kernel.shape[1]] = kernel
    return _forward(np.roll(padded, (-(kernel.shape[0] // 2), -(kernel.shape[1] // 2)), axis=(0, 1)))


def _gradients(shape: tuple[int, ...]) -> tuple[Spectrum, Spectrum]:
    right, down = np.zeros(shape), np.zeros(shape)
    right[0, 0] = down[0, 0] = -1.0
    right[0, -1] = down[-1, 0] = 1.0
    return _forward(right), _forward(down)


def _image(planes: F32) -> F32:
    """Return (C, H, W) as (H, W, C), clipped to [0, 1]."""
    return np.asarray(np.clip(planes, 0.0, 1.0).transpose(1, 2, 0), dtype=np.float32)


def wiener(image: F32, kernel: F64, weight: float) -> F32:
    """Deconvolve by Wiener's filter with the spectrum of gradients as prior: |D|^2 weighs what is noise.

    Args:
        image: Blurred image, (H, W, C), 0..1.
        kernel: True kernel, (k, k), sums to 1.
        weight: Weight of the prior; about the noise's variance over that of a photograph's gradients.
    """
    shape = image.shape[:2]
    blur, (right, down) = _spectrum(kernel, shape), _gradients(shape)
    gain = np.conj(blur) / (np.abs(blur) ** 2 + weight * (np.abs(right) ** 2 + np.abs(down) ** 2) + _TINY)
    return _image(_back(_forward(image.transpose(2, 0, 1)) * gain, shape))


def richardson_lucy(image: F32, kernel: F64, iterations: int) -> F32:
    """Deconvolve as Richardson 1972 and Lucy 1974 do; for Poisson noise, stopped early instead of regularised."""
    shape = image.shape[:2]
    blur = _spectrum(kernel, shape)
    observed = np.clip(image.transpose(2, 0, 1), _TINY, None)
    estimate = observed.copy()
    for _ in range(iterations):
        ratio = observed / np.maximum(_back(_forward(estimate) * blur, shape), _TINY)
        estimate *= _back(_forward(ratio) * np.conj(blur), shape)
    return _image(estimate)


def total_variation(image: F32, kernel: F64, weight: float, iterations: int = 30, penalty: float = 0.1) -> F32:
    """Deconvolve with little total variation, the gradients split off.

    Wang, Yang, Yin, Zhang: A new alternating minimization algorithm for total variation image reconstruction, 2008, in
    the form with multipliers (ADMM); isotropic, channel by channel.

    Args:
        image: Blurred image, (H, W, C), 0..1.
        kernel: True kernel, (k, k), sums to 1.
        weight: Weight of the total variation.
        iterations: Number of rounds.
        penalty: Weight of the difference between gradients and their split copy.
    """
    shape = image.shape[:2]
    blur, gradients = _spectrum(kernel, shape), np.stack(_gradients(shape))[:, None]
    below = np.abs(blur) ** 2 + penalty * (np.abs(gradients) ** 2).sum(axis=0) + _TINY
    data = np.conj(blur) * _forward(image.transpose(2, 0, 1))
    split = np.zeros((2, image.shape[2], *shape), dtype=np.float32)
    multipliers = np.zeros_like(split)
    spectrum = data
    for _ in range(iterations):
        pulled = np.conj(gradients) * _forward(split - multipliers)
        spectrum = (data + penalty * pulled.sum(axis=0)) / below
        steps = _back(gradients * spectrum, shape) + multipliers
        length = np.sqrt((steps**2).sum(axis=0, keepdims=True))
        split = steps * np.maximum(1.0 - (weight / penalty) / np.maximum(length, _TINY), 0.0)
        multipliers = steps - split
    return _image(_back(spectrum, shape))
