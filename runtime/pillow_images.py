"""Pillow's images as arrays, and back in the same mode."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ensharpen_edge.errors import UsageError
from ensharpen_edge.runtime.array_images import Array

KEPT_MODES = ("L", "LA", "RGB", "RGBA", "I;16")
"""Modes that a sharpened image has as the given one had."""

_CONVERTED = {"1": "L", "P": "RGB", "PA": "RGBA"}
_WITH_ALPHA = {"L": "LA", "RGB": "RGBA"}
_TRANSPARENCY = "transparency"


def array_of(image: Image.Image) -> tuple[Array, tuple[str, ...]]:
    """Return an image's pixels, and the changes that were needed, a sentence each.

    Palettes and black-and-white become RGB and grey; a transparent colour becomes a channel of its own.

    Returns:
        (H, W), (H, W, 2), (H, W, 3) or (H, W, 4), uint8; uint16 (H, W) for mode `I;16`.

    Raises:
        UsageError: A mode that has no defined white, or whose colours are not RGB.
    """
    mode = _CONVERTED.get(image.mode, image.mode)
    transparent = image.info.get(_TRANSPARENCY) is not None
    if transparent:
        mode = _WITH_ALPHA.get(mode, mode)
    if mode not in KEPT_MODES:
        raise UsageError(
            f"images of Pillow's mode {image.mode!r} are not sharpened (known: "
            f"{', '.join((*KEPT_MODES, *_CONVERTED))})",
            hint='convert it: image.convert("RGB")',
        )
    notes = () if mode == image.mode else (f"the image was converted from mode {image.mode} to {mode}",)
    return np.asarray(image if mode == image.mode else image.convert(mode)), notes


def image_like(image: Image.Image, array: Array) -> Image.Image:
    """Return an array as an image that carries over the given one's profile, EXIF and other entries of `info`."""
    sharp = Image.fromarray(np.ascontiguousarray(array))
    sharp.info = {key: value for key, value in image.info.items() if key != _TRANSPARENCY}
    return sharp
