"""Structural similarity over five scales.

Wang, Simoncelli, Bovik: Multi-scale structural similarity for image quality assessment, 2003.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensharpen_edge.arrays import F64
from ensharpen_edge.metrics.luminance import block_means, check_pair, code_values

_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_WINDOW, _SIGMA = 11, 1.5
SMALLEST_SIDE = _WINDOW * 2 ** (len(_WEIGHTS) - 1)
"""176: the window must fit the image at the coarsest scale, odd rows and columns dropped on the way."""


def _filter(planes: F64) -> F64:
    """Return Gaussian window over the first two axes of (H, W, C), whole windows only."""
    axis = np.arange(_WINDOW) - _WINDOW // 2
    profile = np.exp(-0.5 * (axis / _SIGMA) ** 2)
    profile /= profile.sum()
    for dimension in (0, 1):
        windows = np.lib.stride_tricks.sliding_window_view(planes, _WINDOW, axis=dimension)
        planes = windows @ profile
    return planes


def _terms(a: F64, b: F64) -> tuple[F64, F64]:
    """Return the mean of luminance x structure, and of structure alone, for each channel."""
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_a, mean_b = _filter(a), _filter(b)
    var_a, var_b = _filter(a * a) - mean_a**2, _filter(b * b) - mean_b**2
    covariance = _filter(a * b) - mean_a * mean_b
    structure = (2 * covariance + c2) / (var_a + var_b + c2)
    light = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return (light * structure).mean(axis=(0, 1)), structure.mean(axis=(0, 1))


def ms_ssim(a: NDArray[Any], b: NDArray[Any], *, data_range: float, rounded: bool = True) -> float:
    """Return MS-SSIM per channel, then the mean; 1 for equal images.

    Negative structure terms, which have no root, count as 0.

    Args:
        a, b: (H, W, 3), at least 176x176.
        data_range: Value of white.
        rounded: Compare what an 8-bit file would hold.

    Raises:
        ValueError: Different shapes, or too small.
    """
    check_pair(a, b, SMALLEST_SIDE, "MS-SSIM")
    first = code_values(a, data_range, rounded=rounded)
    second = code_values(b, data_range, rounded=rounded)
    product = np.ones(3)
    for index, weight in enumerate(_WEIGHTS):
        last = index == len(_WEIGHTS) - 1
        full, structure = _terms(first, second)
        product *= np.maximum(full if last else structure, 0.0) ** weight
        if not last:
            first, second = block_means(first, 2), block_means(second, 2)
    return float(product.mean())
