"""A sheet of blur kernels with a photograph blurred by each, to look at before training on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ensharpen_edge.arrays import U8
from ensharpen_edge.degrade.convolve import convolve
from ensharpen_edge.degrade.mix import MARGIN, degrade
from ensharpen_edge.degrade.mixes import MIXES
from ensharpen_edge.degrade.registry import BLURS
from ensharpen_edge.errors import BadInputError
from ensharpen_edge.files import whole_file
from ensharpen_edge.imaging.crops import centre_crop

CELL = 96
_LABEL = 170
_GAP = 4


def write_preview(path: Path, photo: U8, count: int = 6, seed: int = 0) -> None:
    """Draw one row per blur, `count` kernels each followed by the photograph's centre blurred with it, and one row
    per mix with draws of the whole degradation.

    Raises:
        BadInputError: The photograph is too small, or the sheet cannot be written.
    """
    side = CELL + 2 * MARGIN
    if min(photo.shape[:2]) < side:
        raise BadInputError(
            f"the photograph must be at least {side}x{side} pixels, got {photo.shape[1]}x{photo.shape[0]}"
        )
    crop = torch.from_numpy(centre_crop(photo, side).copy()).permute(2, 0, 1)[None].float() / 255
    rows = [(name, _blur_cells(crop, name, count, seed)) for name in BLURS]
    rows += [(f"mix: {name}", _mix_cells(crop, name, 2 * count, seed)) for name in MIXES]
    sheet = Image.new("RGB", (_LABEL + 2 * count * (CELL + _GAP), len(rows) * (CELL + _GAP)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=14)
    for row, (name, cells) in enumerate(rows):
        y = row * (CELL + _GAP)
        draw.text((6, y + CELL // 2 - 8), name, fill="black", font=font)
        for column, cell in enumerate(cells):
            sheet.paste(cell, (_LABEL + column * (CELL + _GAP), y))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            sheet.save(temporary, format="PNG")
    except OSError as error:
        raise BadInputError(f"{path}: cannot write the sheet ({error})") from error


def _blur_cells(crop: Tensor, name: str, count: int, seed: int) -> list[Image.Image]:
    kernels = BLURS[name].kernels(count, torch.Generator().manual_seed(seed))
    blurred = convolve(crop.expand(count, -1, -1, -1), kernels, border="valid")
    pairs = zip(kernels, blurred, strict=True)
    return [cell for kernel, image in pairs for cell in (_kernel_picture(kernel), _picture(image))]


def _mix_cells(crop: Tensor, name: str, count: int, seed: int) -> list[Image.Image]:
    batch = degrade(crop.expand(count, -1, -1, -1), MIXES[name], torch.Generator().manual_seed(seed))
    return [_picture(image) for image in batch.degraded]


def _picture(image: Tensor) -> Image.Image:
    return Image.fromarray((image.clamp(0, 1).permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))


def _kernel_picture(kernel: Tensor) -> Image.Image:
    """Return the kernel enlarged, black to its largest weight; negative weights (sinc) are black too."""
    scaled = (kernel / kernel.max()).clamp(0, 1).sqrt().numpy()
    return (
        Image.fromarray((scaled * 255).astype(np.uint8)).resize((CELL, CELL), Image.Resampling.NEAREST).convert("RGB")
    )
