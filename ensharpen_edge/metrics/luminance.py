"""Luminance and resolution as the gradient and feature metrics want them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensharpen_edge.arrays import F64
from ensharpen_edge.metrics.psnr import to_code_values

_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


def code_values(image: NDArray[Any], data_range: float, *, rounded: bool) -> F64:
    """float64 in [0, 255], rounded to what an 8-bit file holds or not."""
    if rounded:
        return np.asarray(to_code_values(image, data_range), dtype=np.float64)
    return np.asarray(image, dtype=np.float64) * (255.0 / data_range)


def luminance(rgb: NDArray[Any]) -> F64:
    """Return NTSC luminance, full range: (H, W, 3) -> (H, W)."""
    return np.asarray(np.asarray(rgb, dtype=np.float64) @ _YIQ[0])


def yiq(rgb: NDArray[Any]) -> tuple[F64, F64, F64]:
    """Return NTSC luminance and chrominance of (H, W, 3), each (H, W)."""
    y, i, q = np.moveaxis(np.asarray(rgb, dtype=np.float64) @ _YIQ.T, -1, 0)
    return y, i, q


def check_pair(a: NDArray[Any], b: NDArray[Any], smallest: int, name: str) -> None:
    """Raise `ValueError` unless both are (H, W, 3), equal in shape, at least `smallest` a side."""
    if a.shape != b.shape or a.ndim != 3 or a.shape[2] != 3 or min(a.shape[:2]) < smallest:
        raise ValueError(
            f"{name} needs equal shapes (H, W, 3) of at least {smallest}x{smallest}, got {a.shape} and {b.shape}"
        )


def block_means(planes: F64, factor: int) -> F64:
    """Return the means of factor x factor pixels of (H, W) or (H, W, C); a rest of rows or columns is dropped."""
    height, width = planes.shape[0] // factor, planes.shape[1] // factor
    whole = planes[: height * factor, : width * factor]
    blocks = whole.reshape(height, factor, width, factor, *planes.shape[2:])
    return np.asarray(blocks.mean(axis=(1, 3)))


def correlate3(plane: F64, kernel: F64) -> F64:
    """Return 3x3 correlation with zeros beyond the edge; (H, W) -> (H, W)."""
    padded = np.pad(plane, 1)
    height, width = plane.shape
    total = np.zeros_like(plane)
    for y in range(3):
        for x in range(3):
            if kernel[y, x]:
                total += kernel[y, x] * padded[y : y + height, x : x + width]
    return total


def gradient_magnitude(plane: F64, kernel: F64) -> F64:
    """Return the root of the summed squares of the correlations with a 3x3 derivative kernel and its transpose."""
    return np.hypot(correlate3(plane, kernel), correlate3(plane, kernel.T))
