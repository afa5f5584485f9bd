"""Unsharp mask, the sharpening that every photo editor has: the baseline a network must beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

SETTINGS = ((1.0, 100), (2.0, 100), (2.0, 150))
"""(radius, percent) that are tried; a table shows the best of them."""


def unsharp_mask(image: NDArray[np.float32], radius: float, percent: int) -> NDArray[np.float32]:
    """Pillow's unsharp mask, threshold 0, on float32 (H, W, 3) in [0, 1], which is rounded to 8 bits first."""
    code = np.rint(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)
    filtered = Image.fromarray(code).filter(ImageFilter.UnsharpMask(radius, percent, 0))
    return np.asarray(filtered, dtype=np.float32) / np.float32(255.0)
