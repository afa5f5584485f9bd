"""A folder of photographs, decoded once and kept as uint8."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ensharpen_edge.errors import BadInputError
from ensharpen_edge.imaging.decode import SUFFIXES, read_photo
from ensharpen_edge.imaging.photo import U8


@dataclass(frozen=True)
class PhotoSet:
    """Decoded photographs.

    Attributes:
        names: Paths relative to the folder.
        images: uint8 (H, W, 3) each.
        skipped: `path: reason` for each file that could not be used.
    """

    names: tuple[str, ...]
    images: tuple[U8, ...]
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    @property
    def megapixels(self) -> float:
        """Pixels of all photographs in millions."""
        return float(sum(image.shape[0] * image.shape[1] for image in self.images)) / 1e6

    def subset(self, keep: Callable[[str], bool]) -> PhotoSet:
        """The photographs whose name `keep` accepts."""
        pairs = [(n, i) for n, i in zip(self.names, self.images, strict=True) if keep(n)]
        return PhotoSet(tuple(n for n, _ in pairs), tuple(i for _, i in pairs), self.skipped)


def list_photos(folder: Path) -> list[Path]:
    """All files below `folder` with an image ending, sorted, following links.

    Raises:
        BadInputError: Not a folder, or without photographs.
    """
    if not folder.is_dir():
        raise BadInputError(f"{folder}: no such folder of photographs")
    found = [Path(base) / name for base, _, names in os.walk(folder, followlinks=True) for name in names]
    photos = sorted(path for path in found if path.suffix.lower() in SUFFIXES)
    if not photos:
        raise BadInputError(f"{folder}: holds no photographs", hint=f"looked for {', '.join(SUFFIXES)}")
    return photos


def load_photos(folder: Path, minimum_side: int = 1, progress: Callable[[int, int], None] | None = None) -> PhotoSet:
    """Decode every photograph of a folder. Unreadable and too small ones are skipped and named.

    Args:
        folder: Searched recursively.
        minimum_side: Photographs with a shorter side are skipped.
        progress: Called with (done, total).

    Raises:
        BadInputError: Nothing usable is left.
    """
    paths = list_photos(folder)
    names: list[str] = []
    images: list[U8] = []
    skipped: list[str] = []
    for done, path in enumerate(paths, start=1):
        name = path.relative_to(folder).as_posix()
        try:
            rgb = read_photo(path).rgb
        except BadInputError as error:
            skipped.append(str(error))
        else:
            if min(rgb.shape[:2]) < minimum_side:
                skipped.append(f"{path}: {rgb.shape[1]}x{rgb.shape[0]} is smaller than {minimum_side} pixels")
            else:
                names.append(name)
                images.append(rgb)
        if progress:
            progress(done, len(paths))
    if not images:
        raise BadInputError(f"{folder}: no usable photograph among {len(paths)}", hint="; ".join(skipped[:3]))
    return PhotoSet(tuple(names), tuple(images), tuple(skipped))


def is_held_out(name: str, one_in: int = 16) -> bool:
    """Whether a photograph belongs to validation: decided by its name's hash, so adding files moves nothing."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % one_in == 0
