"""Pixels as networks take them: planes of numbers in [0, 1]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ensharpen_edge.arrays import U8


def to_planes(rgb: U8) -> NDArray[np.float32]:
    """uint8 (H, W, 3) -> float32 (1, 3, H, W) in [0, 1], contiguous."""
    return np.ascontiguousarray(rgb.transpose(2, 0, 1)[None], dtype=np.float32) / np.float32(255.0)
