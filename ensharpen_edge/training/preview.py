"""A sheet of blur kernels with a photograph blurred by each, to look at before training on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from ensharpen_edge.degrade.convolve import convolve
from ensharpen_edge.degrade.registry import BLURS
from ensharpen_edge.errors import BadInputError
from ensharpen_edge.imaging.photo import U8
from ensharpen_edge.whole_file import whole_file

CELL = 96
_LABEL = 170
_GAP = 4


def write_preview(path: Path, photo: U8, count: int = 6, seed: int = 0) -> None:
    """Draw one row per blur: `count` kernels, each followed by the photograph's centre blurred with it.

    Raises:
        BadInputError: The photograph is too small, or the sheet cannot be written.
    """
    if min(photo.shape[:2]) < CELL:
        raise BadInputError(
            f"the photograph must be at least {CELL}x{CELL} pixels, got {photo.shape[1]}x{photo.shape[0]}"
        )
    top, left = (photo.shape[0] - CELL) // 2, (photo.shape[1] - CELL) // 2
    crop = torch.from_numpy(photo[top : top + CELL, left : left + CELL].copy()).permute(2, 0, 1)[None].float() / 255
    width = _LABEL + 2 * count * (CELL + _GAP)
    sheet = Image.new("RGB", (width, len(BLURS) * (CELL + _GAP)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=15)
    for row, (name, blur) in enumerate(BLURS.items()):
        y = row * (CELL + _GAP)
        draw.text((6, y + CELL // 2 - 8), name, fill="black", font=font)
        kernels = blur.kernels(count, torch.Generator().manual_seed(seed))
        blurred = convolve(crop.expand(count, -1, -1, -1), kernels)
        for column in range(count):
            x = _LABEL + 2 * column * (CELL + _GAP)
            sheet.paste(_kernel_picture(kernels[column]), (x, y))
            pixels = (blurred[column].clamp(0, 1).permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
            sheet.paste(Image.fromarray(pixels), (x + CELL + _GAP, y))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            sheet.save(temporary, format="PNG")
    except OSError as error:
        raise BadInputError(f"{path}: cannot write the sheet ({error})") from error


def _kernel_picture(kernel: torch.Tensor) -> Image.Image:
    """The kernel enlarged, black to its largest weight; negative weights (sinc) are black too."""
    scaled = (kernel / kernel.max()).clamp(0, 1).sqrt().numpy()
    return (
        Image.fromarray((scaled * 255).astype(np.uint8)).resize((CELL, CELL), Image.Resampling.NEAREST).convert("RGB")
    )
