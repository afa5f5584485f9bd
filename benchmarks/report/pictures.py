"""Pictures inside the page: as data addresses, and errors as heat."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from ensharpen_edge.errors import require
from ensharpen_edge.imaging.photo import U8

CROP = 96
"""Pixels of a side that are shown enlarged."""

HOTTEST = 32
"""Code values of error at the hot end of the map."""


def data_address(pixels: U8) -> str:
    """uint8 (H, W, 3) as a PNG that is its own address."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def busiest_crop(sharp: U8) -> tuple[slice, slice]:
    """The window of `CROP` pixels with the most edges, on a grid of half its side."""
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


def heat_map(image: U8, truth: U8) -> U8:
    """Largest difference of the three channels, from black (none) to bright (`HOTTEST` code values and more).

    Raises:
        MissingToolError: matplotlib is not installed.
    """
    colours = require("matplotlib", "bench").colormaps["inferno"]
    error = np.abs(image.astype(np.int16) - truth.astype(np.int16)).max(axis=2)
    painted = colours(np.clip(error / HOTTEST, 0.0, 1.0))[:, :, :3]
    return np.asarray(np.rint(painted * 255), dtype=np.uint8)
