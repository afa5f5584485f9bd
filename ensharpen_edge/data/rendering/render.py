"""Draw a scene, and write a folder of them."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ensharpen_edge.arrays import U8
from ensharpen_edge.data.rendering.canvas import OVERSAMPLING, Canvas
from ensharpen_edge.data.rendering.registry import SCENES
from ensharpen_edge.errors import BadInputError, UsageError, unknown_name
from ensharpen_edge.files import write_file
from ensharpen_edge.progress import Progress, no_progress

FONT_SUFFIXES = (".ttf", ".otf", ".ttc")
SMALLEST = 256
"""Pixels; what scenes draw would not fit into less."""


def find_fonts(folder: Path) -> tuple[Path, ...]:
    """Return TrueType and OpenType fonts anywhere below a folder that can write Latin letters, sorted.

    Raises:
        BadInputError: No such folder, or none in it.
    """
    if not folder.is_dir():
        raise BadInputError(f"{folder}: no such folder of fonts")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in FONT_SUFFIXES)
    usable = tuple(path for path in found if _writes_latin(path))
    if not usable:
        raise BadInputError(f"{folder}: holds no font that can write Latin letters", hint="e.g. /usr/share/fonts")
    return usable


def _writes_latin(path: Path) -> bool:
    """Return whether letters are proportioned like letters: fonts of symbols put other shapes in their places."""
    try:
        font = ImageFont.truetype(str(path), 64)
        boxes = {letter: font.getbbox(letter) for letter in "ilmopxOT0"}
    except OSError:
        return False
    height = {letter: box[3] - box[1] for letter, box in boxes.items()}
    low = {letter: box[3] for letter, box in boxes.items()}
    return (
        0.4 * height["O"] < height["x"] < 0.9 * height["l"]
        and 0.8 * height["0"] < height["T"] < 1.25 * height["0"]
        and abs(height["o"] - height["x"]) < 0.15 * height["x"]
        and low["p"] > low["m"] + 4
        and abs(low["x"] - low["T"]) <= 2
        and height["i"] > 1.1 * height["x"]
    )


def render(scene: str, seed: int, size: tuple[int, int], fonts: tuple[Path, ...] = ()) -> U8:
    """Draw a scene.

    Args:
        scene: Name in `SCENES`.
        seed: Decides everything, for the same fonts and the same Pillow.
        size: Height and width, pixels, at least `SMALLEST`.
        fonts: Files; empty means the font that comes with Pillow.

    Returns:
        uint8 (H, W, 3).

    Raises:
        UsageError: Unknown scene, or too small a size.
    """
    if scene not in SCENES:
        raise unknown_name("scene", scene, SCENES)
    if min(size) < SMALLEST:
        raise UsageError(f"scenes need sides of at least {SMALLEST} pixels, got {size[0]}x{size[1]}")
    height, width = size
    image = Image.new("RGB", (width * OVERSAMPLING, height * OVERSAMPLING))
    canvas = Canvas(image, ImageDraw.Draw(image), random.Random(f"{scene}/{seed}"), fonts)
    SCENES[scene](canvas)
    return np.asarray(image.resize((width, height), Image.Resampling.BOX), dtype=np.uint8)


def write_scenes(
    folder: Path,
    count: int,
    seed: int,
    size: tuple[int, int],
    fonts: tuple[Path, ...] = (),
    progress: Progress = no_progress,
) -> None:
    """Write `count` PNG files, the scenes in turn.

    Args:
        folder: Made if need be.
        count: Files.
        seed: Seed of the first picture; the next ones follow.
        size: Height and width, pixels.
        fonts: See `render`.
        progress: Told how many files are written.

    Raises:
        BadInputError: The folder cannot be written to.
    """
    for index in range(count):
        scene = list(SCENES)[index % len(SCENES)]
        buffer = io.BytesIO()
        Image.fromarray(render(scene, seed + index, size, fonts)).save(buffer, format="PNG")
        write_file(folder / f"{scene}-{seed + index:04d}.png", buffer.getvalue())
        progress("rendering", index + 1, count)
