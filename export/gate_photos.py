"""Photographs for the quality gate: sharp crops and their fixed, seeded degradations."""

from __future__ import annotations

from pathlib import Path

import torch

from ensharpen_edge.data.photos import list_photos
from ensharpen_edge.degrade.soft_photo import soft_photo
from ensharpen_edge.errors import BadInputError
from ensharpen_edge.export.gate import GatePair
from ensharpen_edge.export.probes import probe_photos, to_batch
from ensharpen_edge.imaging.decode import read_photo
from ensharpen_edge.imaging.photo import U8

CASES = ((1.0, 0.0), (1.6, 2.55), (2.4, 2.55))
"""(blur sigma in pixels, noise sigma in code values), all in the students' training range."""

CROP = 256
MOST = 32


def gate_pairs(folder: Path | None = None) -> list[GatePair]:
    """Pairs from a folder of sharp photographs (centre crops of 256, at most 32), or from the package's own.

    Raises:
        BadInputError: No folder, or no photograph of at least 256 pixels in it.
    """
    photos = probe_photos() if folder is None else _from_folder(folder)
    pairs = []
    for name, rgb in photos:
        sharp = to_batch(rgb)
        for blur, noise in CASES:
            degraded = soft_photo(torch.from_numpy(sharp), blur, noise, torch.Generator().manual_seed(0))
            pairs.append(GatePair(f"{name}, blur {blur}, noise {noise}", degraded.numpy(), sharp))
    return pairs


def _from_folder(folder: Path) -> list[tuple[str, U8]]:
    paths = list_photos(folder)
    chosen: list[tuple[str, U8]] = []
    for path in paths[:: max(1, len(paths) // MOST)][:MOST]:
        image = read_photo(path).rgb
        top, left = (image.shape[0] - CROP) // 2, (image.shape[1] - CROP) // 2
        if top >= 0 and left >= 0:
            chosen.append((path.name, image[top : top + CROP, left : left + CROP]))
    if not chosen:
        raise BadInputError(f"{folder}: no photograph of at least {CROP}x{CROP} pixels to gate on")
    return chosen
