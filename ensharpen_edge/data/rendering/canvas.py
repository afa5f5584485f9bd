"""The canvas that scenes are drawn on: a Pillow picture at twice the size, its random numbers, and its fonts."""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]

OVERSAMPLING = 2
"""Scenes are drawn larger and made smaller at the end, so that edges fall between pixels as a lens's do."""

WORDS = tuple(
    "light lens river window 2048 summer paper north signal stone harbour 17:45 garden letter violet engine glass "  # noqa: SIM905
    "Quartz bridge winter copper market island 3.14 thunder orchard velvet station Harvest meadow pencil lantern "
    "£29.90 compass 100% marble Avenue candle forest kitchen mirror 42 ocean gallery Exit bakery & Sons railway".split()
)


@dataclass(frozen=True)
class Canvas:
    """A picture in the making.

    Attributes:
        image: RGB, `OVERSAMPLING` times the size of the result.
        draw: Pillow's drawing functions of that image.
        random: The scene's random numbers.
        fonts: Font files; empty means Pillow's own font.
    """

    image: Image.Image
    draw: ImageDraw.ImageDraw
    random: random.Random
    fonts: tuple[Path, ...]

    def colour(self, low: int = 0, high: int = 255) -> Colour:
        """Return any colour whose channels lie in that range."""
        return (self.random.randint(low, high), self.random.randint(low, high), self.random.randint(low, high))

    def paper_and_ink(self) -> tuple[Colour, Colour]:
        """Return background and foreground that can be told apart: dark on light, or light on dark."""
        paper, ink = self.colour(190, 255), self.colour(0, 90)
        return (ink, paper) if self.random.random() < 0.3 else (paper, ink)

    def font(self, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
        """Return one of the fonts, `size` pixels of the result high."""
        pixels = size * OVERSAMPLING
        return _font(str(self.random.choice(self.fonts)), pixels) if self.fonts else ImageFont.load_default(pixels)

    def words(self, count: int) -> str:
        """Return some words and numbers, a space between two."""
        return " ".join(self.random.choices(WORDS, k=count))

    def count(self, low: int, high: int) -> int:
        """Return how many things to draw, where `low` to `high` would fill a picture of 1024x1024."""
        share = self.image.width * self.image.height / (1024 * OVERSAMPLING) ** 2
        return max(1, round(self.random.randint(low, high) * share))

    def length(self, low: float, high: float) -> int:
        """Return a length between two lengths of the result, in drawn pixels."""
        return max(1, round(self.random.uniform(low, high) * OVERSAMPLING))


@functools.lru_cache(maxsize=256)
def _font(file: str, pixels: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, pixels)
