"""A folder of photographs, decoded once and kept as uint8."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ensharpen_edge.arrays import U8
from ensharpen_edge.imaging.decode import SUFFIXES
from ensharpen_edge.imaging.photo_folder import walk_folders

HOLD_OUT_ONE_IN = 16
"""One photograph in so many is kept for validation."""


@dataclass(frozen=True)
class PhotoSet:
    """Decoded photographs.

    Attributes:
        names: Paths relative to the folder.
        images: uint8 (H, W, 3) each; may be memory-mapped.
        fingerprints: Perceptual hash of each (see `duplicates`), or empty when they were not computed.
        skipped: `path: reason` for each file that could not be used.
    """

    names: tuple[str, ...]
    images: tuple[U8, ...]
    fingerprints: tuple[int, ...] = ()
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    @property
    def megapixels(self) -> float:
        """Pixels of all photographs in millions."""
        return float(sum(image.shape[0] * image.shape[1] for image in self.images)) / 1e6

    def subset(self, keep: Callable[[str], bool]) -> PhotoSet:
        """Return the photographs whose name `keep` accepts."""
        chosen = [index for index, name in enumerate(self.names) if keep(name)]
        return PhotoSet(
            tuple(self.names[index] for index in chosen),
            tuple(self.images[index] for index in chosen),
            tuple(self.fingerprints[index] for index in chosen) if self.fingerprints else (),
            self.skipped,
        )

    def split(self) -> tuple[PhotoSet, PhotoSet]:
        """Return the photographs to train on, and those held out (`held_out_of`)."""
        held_out = held_out_of(self.names)
        return self.subset(lambda name: name not in held_out), self.subset(held_out.__contains__)


_UNREAD = frozenset(
    (".arw", ".avif", ".bmp", ".cr2", ".cr3", ".dng", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".nef", ".orf", ".raf")
)


def unread_pictures(folder: Path) -> list[str]:
    """Return a line for every kind of picture in the folder that is not read, with how many there are."""
    endings = Counter(Path(name).suffix.lower() for _, names in walk_folders(folder) for name in names)
    return [
        f"{folder}: {count} file{'s' * (count > 1)} ending in {ending}: convert to one of {', '.join(SUFFIXES)}"
        for ending, count in sorted(endings.items())
        if ending in _UNREAD
    ]


def is_held_out(name: str) -> bool:
    """Return whether a photograph belongs to validation: decided by its name's hash, so adding files moves nothing."""
    return _hash(name) % HOLD_OUT_ONE_IN == 0


def _hash(name: str) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest(), 16)


def held_out_of(names: Iterable[str]) -> frozenset[str]:
    """Return the photographs of a folder that belong to validation.

    `is_held_out` says which. Where chance chose none of a few, it is the first by its hash; a single photograph is not
    held out.
    """
    known = sorted(names, key=_hash)
    found = frozenset(name for name in known if is_held_out(name))
    return found or frozenset(known[: len(known) > 1])
