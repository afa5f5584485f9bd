"""Real pairs: photographs in `blur/`, and the sharp ones of equal names in `sharp/`."""

from __future__ import annotations

from pathlib import Path

from ensharpen_edge.arrays import U8
from ensharpen_edge.errors import BadInputError
from ensharpen_edge.imaging.decode import read_photo
from ensharpen_edge.imaging.photo_folder import photo_files

BLURRED, SHARP = "blur", "sharp"


def holds_pairs(folder: Path) -> bool:
    """Return whether a folder holds real pairs rather than sharp photographs."""
    return (folder / BLURRED).is_dir() and (folder / SHARP).is_dir()


def pair_files(folder: Path) -> list[tuple[Path, Path]]:
    """Return the files of every pair in a folder, the blurred one first, in the order of their names.

    Raises:
        BadInputError: One of the two folders is missing or empty, or a photograph has no partner.
    """
    for part in (folder / BLURRED, folder / SHARP):
        if not part.is_dir():
            raise BadInputError(
                f"{part}: no such folder", hint=f"pairs are files of one name in {BLURRED}/ and {SHARP}/"
            )
    blurred, sharp = (
        {file.relative_to(folder / part): file for file in photo_files(folder / part)} for part in (BLURRED, SHARP)
    )
    alone = sorted(str(name) for name in blurred.keys() ^ sharp.keys())
    if alone:
        raise BadInputError(f"{folder}: without a partner: {', '.join(alone[:5])}")
    return [(file, sharp[name]) for name, file in blurred.items()]


def read_pair(blurred_file: Path, sharp_file: Path) -> tuple[U8, U8]:
    """Return the two photographs of a pair, uint8 (H, W, 3) each.

    Raises:
        BadInputError: One is unreadable, or they differ in size.
    """
    blurred, sharp = read_photo(blurred_file).rgb, read_photo(sharp_file).rgb
    if blurred.shape != sharp.shape:
        raise BadInputError(f"{blurred_file}: {blurred.shape[:2]} pixels, its sharp partner {sharp.shape[:2]}")
    return blurred, sharp
