"""Feature similarity: phase congruency and gradients, weighted by where features are.

Zhang, Zhang, Mou, Zhang: FSIM: a feature similarity index for image quality assessment, 2011.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensharpen_edge.arrays import F64
from ensharpen_edge.metrics.luminance import block_means, check_pair, code_values, gradient_magnitude, yiq
from ensharpen_edge.metrics.phase_congruency import phase_congruency

SMALLEST_SIDE = 32
_SCHARR = np.array([[3.0, 0.0, -3.0], [10.0, 0.0, -10.0], [3.0, 0.0, -3.0]]) / 16.0
_PHASE, _GRADIENT, _CHROMA = 0.85, 160.0, 200.0
_CHROMA_EXPONENT = 0.03


def _similarity(a: F64, b: F64, stability: float) -> F64:
    return (2 * a * b + stability) / (a**2 + b**2 + stability)


def fsim(a: NDArray[Any], b: NDArray[Any], *, data_range: float, rounded: bool = True, chromatic: bool = True) -> float:
    """Return FSIM, with `chromatic` FSIMc; 1 for equal images.

    As in the paper, the shorter side is brought to about 256 pixels first.

    Args:
        a, b: (H, W, 3), at least 32x32.
        data_range: Value of white.
        rounded: Compare what an 8-bit file would hold.
        chromatic: Include the colour channels.

    Raises:
        ValueError: Different shapes, or too small.
    """
    check_pair(a, b, SMALLEST_SIDE, "FSIM")
    factor = max(1, int(min(a.shape[:2]) / 256 + 0.5))  # halves upwards, as the authors' code
    first, second = (
        [block_means(plane, factor) for plane in yiq(code_values(image, data_range, rounded=rounded))]
        for image in (a, b)
    )
    phase = [phase_congruency(planes[0]) for planes in (first, second)]
    gradients = [gradient_magnitude(planes[0], _SCHARR) for planes in (first, second)]
    weight = np.maximum(*phase)
    similarity = _similarity(phase[0], phase[1], _PHASE) * _similarity(gradients[0], gradients[1], _GRADIENT)
    if chromatic:
        chroma = _similarity(first[1], second[1], _CHROMA) * _similarity(first[2], second[2], _CHROMA)
        similarity = similarity * np.abs(chroma) ** _CHROMA_EXPONENT
    total = float(weight.sum())
    return float((similarity * weight).sum() / total) if total > 0.0 else float(similarity.mean())
