"""Images that no camera takes and that break what photographs do not: flat, extreme, saturated, Nyquist."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ensharpen_edge.arrays import U8


def synthetic_images(height: int, width: int) -> dict[str, U8]:
    """uint8 (height, width, 3) images by name."""
    rows = np.linspace(0, 1, height)[:, None]
    columns = np.linspace(0, 1, width)[None, :]
    checkers = (np.arange(height)[:, None] + np.arange(width)[None, :]) % 2
    grey = {
        "black": np.zeros((height, width)),
        "white": np.full((height, width), 255.0),
        "flat": np.full((height, width), 128.0),
        "gradient": 255.0 * (rows * 0.5 + columns * 0.5),
        "checkerboard": 255.0 * checkers,
    }
    images = {name: np.repeat(np.rint(values).astype(np.uint8)[..., None], 3, axis=2) for name, values in grey.items()}
    return {**images, "saturated-text": _text(height, width)}


def _text(height: int, width: int) -> U8:
    canvas = Image.new("RGB", (width, height), (255, 0, 0))
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=max(8, min(height, width) // 5))
    for line, colour in enumerate(((0, 255, 255), (255, 255, 0), (0, 0, 0), (255, 255, 255))):
        draw.text((2, line * height // 4), "Edge 0123", fill=colour, font=font)
    return np.asarray(canvas)
