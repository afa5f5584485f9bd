"""Images at another size: what enlarging without a network gives, and what an enlarged image is when made smaller."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ensharpen_edge.arrays import F32


def resampled(planes: F32, size: tuple[int, int]) -> F32:
    """Planes at another size: bicubic where it is larger, means over areas where it is smaller.

    Args:
        planes: float32 (..., H, W) in any range.
        size: (height, width).

    Returns:
        float32 (..., height, width); bicubic overshoots are not clipped.
    """
    height, width = size
    kind = Image.Resampling.BICUBIC if height > planes.shape[-2] else Image.Resampling.BOX
    flat = np.ascontiguousarray(planes, dtype=np.float32).reshape(-1, *planes.shape[-2:])
    made = [np.asarray(Image.fromarray(plane).resize((width, height), kind)) for plane in flat]
    return np.stack(made).reshape(*planes.shape[:-2], height, width)
