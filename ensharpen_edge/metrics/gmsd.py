"""Gradient similarity, and how unevenly it is spread (GMSD).

Xue, Zhang, Mou, Bovik: Gradient magnitude similarity deviation: a highly efficient perceptual image quality index,
2014.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensharpen_edge.arrays import F64
from ensharpen_edge.metrics.luminance import block_means, check_pair, code_values, gradient_magnitude, luminance

SMALLEST_SIDE = 8
_PREWITT = np.array([[1.0, 0.0, -1.0]] * 3) / 3.0
_STABILITY = 170.0


def _similarity_map(a: NDArray[Any], b: NDArray[Any], data_range: float, *, rounded: bool, halved: bool) -> F64:
    check_pair(a, b, SMALLEST_SIDE, "gradient similarity")
    gradients = []
    for image in (a, b):
        plane = luminance(code_values(image, data_range, rounded=rounded))
        gradients.append(gradient_magnitude(block_means(plane, 2) if halved else plane, _PREWITT))
    first, second = gradients
    return (2 * first * second + _STABILITY) / (first**2 + second**2 + _STABILITY)


def gmsd(a: NDArray[Any], b: NDArray[Any], *, data_range: float, rounded: bool = True) -> float:
    """Return the standard deviation of the gradient similarity map at half resolution; 0 for equal images.

    Args:
        a, b: (H, W, 3), at least 8x8.
        data_range: Value of white.
        rounded: Compare what an 8-bit file would hold.

    Raises:
        ValueError: Different shapes, or too small.
    """
    return float(_similarity_map(a, b, data_range, rounded=rounded, halved=True).std())


def gradient_similarity(a: NDArray[Any], b: NDArray[Any], *, data_range: float, rounded: bool = True) -> float:
    """Return the mean of the gradient similarity map at full resolution; 1 for equal images.

    Args and Raises: As `gmsd`.
    """
    return float(_similarity_map(a, b, data_range, rounded=rounded, halved=False).mean())
