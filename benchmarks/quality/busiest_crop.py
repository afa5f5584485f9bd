"""The part of a photograph where there is most to see."""

from __future__ import annotations

import numpy as np

from ensharpen_edge.arrays import U8

CROP = 96
"""Side of the crop, pixels."""


def busiest_crop(sharp: U8) -> tuple[slice, slice]:
    """Return rows and columns of the window with the most edges, `CROP` pixels a side, on a grid of half of that."""
    grey = sharp.astype(np.float32).mean(axis=2)
    edges = np.abs(np.diff(grey, axis=0))[:, :-1] + np.abs(np.diff(grey, axis=1))[:-1]
    side = min(CROP, *sharp.shape[:2])
    step = max(1, side // 2)
    places = [
        (float(edges[top : top + side, left : left + side].sum()), top, left)
        for top in range(0, sharp.shape[0] - side + 1, step)
        for left in range(0, sharp.shape[1] - side + 1, step)
    ]
    _, top, left = max(places)
    return slice(top, top + side), slice(left, left + side)
