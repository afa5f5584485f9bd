"""Structural similarity with the settings of the original paper."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ensharpen_edge.errors import require
from ensharpen_edge.metrics.psnr import to_code_values

WINDOW = 11
"""Side of the Gaussian window: images must be at least this large."""


def ssim(a: NDArray[Any], b: NDArray[Any], *, data_range: float, rounded: bool = True) -> float:
    """Return SSIM by scikit-image: Gaussian window 11x11, sigma 1.5, population covariance, per channel, then the mean.

    Wang, Bovik, Sheikh, Simoncelli: Image quality assessment: from error visibility to structural similarity, 2004.
    Figures from other settings differ in the second decimal.

    Args:
        a, b: (H, W, 3), at least 11x11.
        data_range: Value of white.
        rounded: Compare what an 8-bit file would hold.

    Raises:
        ValueError: Different shapes, or smaller than the window.
        MissingToolError: scikit-image is not installed.
    """
    if a.shape != b.shape or min(a.shape[:2]) < WINDOW:
        raise ValueError(f"SSIM needs equal shapes of at least {WINDOW}x{WINDOW}, got {a.shape} and {b.shape}")
    metrics = require("skimage.metrics", "bench")
    if rounded:
        a, b, data_range = to_code_values(a, data_range), to_code_values(b, data_range), 255.0
    return float(
        metrics.structural_similarity(
            a, b, data_range=data_range, channel_axis=2, gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False,
        )
    )  # fmt: skip
