"""Photographs for the quality gate: sharp crops with their fixed, seeded degradations, and real pairs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch

from ensharpen_edge.arrays import F32, U8
from ensharpen_edge.degrade.resize import downsample
from ensharpen_edge.degrade.soft_photo import gate_cases, soft_photo
from ensharpen_edge.errors import BadInputError
from ensharpen_edge.export.proof.gate import GatePair
from ensharpen_edge.files import distinct_names
from ensharpen_edge.imaging.bundled import bundled_photos
from ensharpen_edge.imaging.crops import centre_crop
from ensharpen_edge.imaging.decode import read_photo
from ensharpen_edge.imaging.photo_folder import photo_files
from ensharpen_edge.imaging.planes import to_planes
from ensharpen_edge.judging.pairs import holds_pairs, pair_files, read_pair
from ensharpen_edge.models.config import HEAD_SCALES

CROP, PAIR_CROP = 256, 512
MOST = 68


def gate_pairs(folders: Sequence[Path] = (), task: str = "sharpen") -> Iterator[GatePair]:
    """Pairs to judge an export on, the conditions of a photograph one after the other.

    Args:
        folders: Folders of sharp photographs (centre crops of 256, at most 68 each, degraded in three ways), or of real
            pairs (`blur/` and `sharp/` with files of equal names; centre crops of 512). None: those of the package.
        task: Task of the network, which says how the photographs are degraded.

    Raises:
        BadInputError: No folder, no photograph that is large enough, or one without its partner.
    """
    if not folders:
        yield from _degraded("bundled", bundled_photos(), task)
    for name, folder in zip(distinct_names(folders), folders, strict=True):
        if holds_pairs(folder):
            yield from _real_pairs(name, folder)
        else:
            yield from _degraded(name, _sharp_crops(folder), task)


def refuse_calibrated(folders: Sequence[Path], calibrated: Collection[str]) -> None:
    """Stop when a photograph judges an export that was calibrated with it.

    Args:
        folders: As for `gate_pairs`.
        calibrated: sha256 of the pixels of the photographs that were calibrated with.

    Raises:
        BadInputError: Names them.
    """
    for folder in folders:
        paths = _sharp_files(folder)
        if holds_pairs(folder):
            paths = [path for files in pair_files(folder)[:MOST] for path in files]
        seen = [
            path for path in paths if path.is_file() and sha256(read_photo(path).rgb.data).hexdigest() in calibrated
        ]
        if seen:
            raise BadInputError(
                f"{len(seen)} photographs of {folder} were calibrated with: {', '.join(p.name for p in seen[:5])}",
                hint="give --data other photographs than --calib, or the gate will flatter",
            )


def _degraded(name: str, photos: Iterable[tuple[str, U8]], task: str) -> Iterator[GatePair]:
    for photo, rgb in photos:
        sharp = to_planes(rgb)
        for blur, noise in gate_cases(task):
            degraded = soft_photo(_reduced(sharp, task), blur, noise, torch.Generator().manual_seed(0))
            yield GatePair(photo, f"{name}, blur {blur:g}, noise {noise:g}", degraded.numpy(), sharp)


def _reduced(sharp: F32, task: str) -> torch.Tensor:
    """The truth as small as the input of a network that enlarges."""
    image, factor = torch.from_numpy(sharp), HEAD_SCALES[task]
    return downsample(image, factor, "bicubic").clamp(0.0, 1.0) if factor > 1 else image


def _sharp_files(folder: Path) -> list[Path]:
    paths = photo_files(folder)
    return paths[:: -(-len(paths) // MOST)]


def _sharp_crops(folder: Path) -> Iterator[tuple[str, U8]]:
    found = False
    for path in _sharp_files(folder):
        image = read_photo(path).rgb
        if min(image.shape[:2]) >= CROP:
            found = True
            yield path.name, np.ascontiguousarray(centre_crop(image, CROP))
    if not found:
        raise BadInputError(f"{folder}: no photograph of at least {CROP}x{CROP} pixels to gate on")


def _real_pairs(name: str, folder: Path) -> Iterator[GatePair]:
    for blurred_file, sharp_file in pair_files(folder)[:MOST]:
        crops = (np.ascontiguousarray(centre_crop(i, PAIR_CROP)) for i in read_pair(blurred_file, sharp_file))
        yield GatePair(blurred_file.name, f"{name}, real blur", *map(to_planes, crops))
