"""Peak signal-to-noise ratio."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Image = NDArray[Any]
Channels = Literal["rgb", "y"]


def mse(a: Image, b: Image) -> float:
    """Return the mean squared error in float64.

    Raises:
        ValueError: The shapes differ.
    """
    if a.shape != b.shape:
        raise ValueError(f"images must have the same shape, got {a.shape} and {b.shape}")
    difference = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    return float(np.mean(difference * difference))


def psnr_from_mse(error: float, data_range: float) -> float:
    """Return `10 log10(data_range^2 / error)` in dB; infinite for equal images."""
    return math.inf if error == 0.0 else 10.0 * math.log10(data_range * data_range / error)


def luma(rgb: Image) -> NDArray[np.float64]:
    """Return BT.601 luma of (H, W, 3) code values in [0, 255]: studio range 16..235, as super-resolution papers use."""
    weights = np.array([65.481, 128.553, 24.966]) / 255.0
    return 16.0 + np.asarray(rgb, dtype=np.float64) @ weights


def to_code_values(image: Image, data_range: float) -> Image:
    """Clip to [0, data_range] and round to the 256 code values of an 8-bit file, as float64 in [0, 255]."""
    return np.rint(np.clip(np.asarray(image, dtype=np.float64) / data_range, 0.0, 1.0) * 255.0)


def psnr(a: Image, b: Image, *, data_range: float, rounded: bool = True, channels: Channels = "rgb") -> float:
    """Return PSNR in dB of two images of the same shape.

    Args:
        a, b: (H, W, 3) or, without `channels="y"`, any shape.
        data_range: Value of white: 255 for uint8, 1.0 for floats. Never guessed from the content: an overshoot to
            1.02 would change the result by 48 dB.
        rounded: Compare what an 8-bit file would hold (the default; reported figures are pixels a user gets).
        channels: All colour channels together, or BT.601 luma.

    Returns:
        Decibels; `inf` for equal images.
    """
    if rounded:
        a, b, data_range = to_code_values(a, data_range), to_code_values(b, data_range), 255.0
    if channels == "y":
        scale = 255.0 / data_range
        a, b, data_range = luma(np.asarray(a) * scale), luma(np.asarray(b) * scale), 255.0
    return psnr_from_mse(mse(a, b), data_range)
