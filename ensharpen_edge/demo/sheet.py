"""A contact sheet: the same crop blurred, sharpened, and as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ensharpen_edge.arrays import U8
from ensharpen_edge.files import whole_file
from ensharpen_edge.imaging.crops import centre_crop

CROP = 168
_GAP = 6
_HEADER = 26


@dataclass(frozen=True)
class Strip:
    """One photograph in three versions.

    Attributes:
        name: Name of the photograph.
        before, after, truth: Blurred, sharpened and original photograph, uint8 (H, W, 3).
        psnr_before, psnr_after: PSNR against the original, dB.
    """

    name: str
    before: U8
    after: U8
    truth: U8
    psnr_before: float
    psnr_after: float


def write_sheet(strips: Sequence[Strip], path: Path) -> None:
    """Write a picture with a column per photograph and a row per version; crops are shown pixel for pixel."""
    width = len(strips) * (CROP + _GAP) - _GAP
    sheet = Image.new("RGB", (width, 3 * (CROP + _HEADER)), "white")
    for column, strip in enumerate(strips):
        versions = (
            (f"blurred, {strip.psnr_before:.2f} dB", strip.before),
            (f"sharpened, {strip.psnr_after:.2f} dB", strip.after),
            ("ground truth", strip.truth),
        )
        for row, (label, pixels) in enumerate(versions):
            _place(sheet, label, pixels, column * (CROP + _GAP), row * (CROP + _HEADER))
    with whole_file(path) as temporary:
        sheet.save(temporary, optimize=True)


def _place(sheet: Image.Image, label: str, pixels: U8, left: int, top: int) -> None:
    sheet.paste(Image.fromarray(centre_crop(pixels, CROP)), (left, top + _HEADER))
    ImageDraw.Draw(sheet).text((left, top + 6), label, fill="black", font=ImageFont.load_default(size=14))
