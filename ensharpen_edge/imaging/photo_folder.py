"""Photographs in a folder and in the folders below it, as files and as pixels."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ensharpen_edge.arrays import U8
from ensharpen_edge.errors import BadInputError
from ensharpen_edge.imaging.bundled import bundled_photos
from ensharpen_edge.imaging.decode import SUFFIXES, read_photo


def photo_files(folder: Path) -> list[Path]:
    """Return the photographs in a folder and below it, sorted, links followed.

    Raises:
        BadInputError: There is no such folder, or it holds no photographs.
    """
    if not folder.is_dir():
        raise BadInputError(
            f"{folder}: no such folder of photographs", hint="ensharpen-train data list says where evaluation sets are"
        )
    found = (Path(base) / name for base, names in walk_folders(folder) for name in names)
    files = sorted(path for path in found if path.suffix.lower() in SUFFIXES)
    if not files:
        raise BadInputError(f"{folder}: holds no photographs", hint=f"looked for {', '.join(SUFFIXES)}")
    return files


def walk_folders(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield every folder once, links followed: one that leads back to a folder above it would go round for ever."""
    seen: set[str] = set()
    for base, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(base)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        # Where a link and its target are both below the folder, the target gives the names, on every file system.
        folders.sort(key=lambda name: (Path(base, name).is_symlink(), name))
        yield base, names


def photos_of(folders: Sequence[Path], limit: int = 0) -> list[tuple[str, U8]]:
    """Return name and pixels (uint8 (H, W, 3)) of photographs in folders; the package's own where no folder is given.

    Args:
        folders: Each is read by itself; names are those of the files.
        limit: Take so many photographs of each folder; 0 takes all.

    Raises:
        BadInputError: A folder holds no photographs, or one of them cannot be read.
    """
    if not folders:
        return bundled_photos()
    files = [file for folder in folders for file in photo_files(folder)[: limit or None]]
    return [(file.name, read_photo(file).rgb) for file in files]
