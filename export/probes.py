"""Probe images: what every rung of the parity ladder and the release gate are measured on."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ensharpen_edge.imaging.decode import read_photo
from ensharpen_edge.imaging.photo import U8
from ensharpen_edge.runtime.engine import F32

SHAPES = ((128, 128), (64, 200), (192, 72), (8, 8))
"""(height, width) that the ladder runs at: square, wide, tall, and the smallest legal one."""


@dataclass(frozen=True)
class Probe:
    """A named float32 (1, 3, H, W) image in [0, 1]."""

    name: str
    image: F32


def probe_photos() -> list[tuple[str, U8]]:
    """The photographs that come with the package: uint8 (256, 256, 3), sharp, never trained on."""
    folder = Path(str(resources.files("ensharpen_edge.export"))) / "probe_photos"
    return [(path.stem, read_photo(path).rgb) for path in sorted(folder.glob("*.png"))]


def parity_probes(height: int, width: int) -> list[Probe]:
    """Photographs and the synthetic images that break converters: flat, extreme, saturated, Nyquist."""
    probes = [Probe(f"photo-{name}", to_batch(_crop(photo, height, width))) for name, photo in probe_photos()]
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    columns = np.linspace(0, 1, width, dtype=np.float32)[None, :]
    checkers = ((np.arange(height)[:, None] + np.arange(width)[None, :]) % 2).astype(np.float32)
    plain = {
        "black": np.zeros((height, width), np.float32),
        "white": np.ones((height, width), np.float32),
        "flat": np.full((height, width), 0.5, np.float32),
        "gradient": rows * 0.5 + columns * 0.5,
        "checkerboard": checkers,
    }
    probes += [Probe(name, np.repeat(value[None, None], 3, axis=1)) for name, value in plain.items()]
    probes.append(Probe("saturated-text", to_batch(_text(height, width))))
    return probes


def to_batch(rgb: U8) -> F32:
    """uint8 (H, W, 3) -> float32 (1, 3, H, W) in [0, 1]."""
    return np.ascontiguousarray(rgb.transpose(2, 0, 1)[None], dtype=np.float32) / np.float32(255.0)


def _crop(photo: U8, height: int, width: int) -> U8:
    top = max(0, (photo.shape[0] - height) // 2)
    left = max(0, (photo.shape[1] - width) // 2)
    return photo[top : top + height, left : left + width]


def _text(height: int, width: int) -> U8:
    canvas = Image.new("RGB", (width, height), (255, 0, 0))
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=max(8, min(height, width) // 5))
    for line, colour in enumerate(((0, 255, 255), (255, 255, 0), (0, 0, 0), (255, 255, 255))):
        draw.text((2, line * height // 4), "Edge 0123", fill=colour, font=font)
    return np.asarray(canvas)
