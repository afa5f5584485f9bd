"""Pictures inside the page: as data addresses, and errors as heat."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from ensharpen_edge.arrays import U8
from ensharpen_edge.errors import require

HOTTEST = 32
"""Error at the hot end of the map, code values."""


def data_address(pixels: U8) -> str:
    """Return the `data:` address of a picture, uint8 (H, W, 3), as a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def heat_map(image: U8, truth: U8) -> U8:
    """Return the largest difference of the three channels as colours, uint8 (H, W, 3), from black (none) to bright
    (`HOTTEST` code values and more).

    Raises:
        MissingToolError: matplotlib is not installed.
    """
    colours = require("matplotlib", "bench").colormaps["inferno"]
    error = np.abs(image.astype(np.int16) - truth.astype(np.int16)).max(axis=2)
    painted = colours(np.clip(error / HOTTEST, 0.0, 1.0))[:, :, :3]
    return np.asarray(np.rint(painted * 255), dtype=np.uint8)
