"""Means over blocks of pixels: what is wrong in one place hides in the mean over a photograph."""

from __future__ import annotations

import numpy as np

from ensharpen_edge.arrays import F64

BLOCK = 16
"""Side of a block in pixels."""


def block_means(plane: F64) -> F64:
    """Return the means of a float (H, W) plane over blocks of 16x16 pixels, in rows of blocks.

    The last block of a row takes what is left over, so that borders are no smaller than others.
    """
    starts = [np.arange(0, max(1, side - BLOCK + 1), BLOCK) for side in plane.shape]
    ends = [np.append(start[1:], side) for start, side in zip(starts, plane.shape, strict=True)]
    sums = np.add.reduceat(np.add.reduceat(plane, starts[0], axis=0), starts[1], axis=1)
    areas = np.outer(ends[0] - starts[0], ends[1] - starts[1])
    return np.asarray(sums / areas)
