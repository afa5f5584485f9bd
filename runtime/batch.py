"""Photographs from folder to folder: where each goes, and the work, one after the other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ensharpen_edge.errors import BadInputError, EnsharpenError, OutOfMemoryError, UsageError
from ensharpen_edge.imaging.decode import SUFFIXES
from ensharpen_edge.progress import Progress, no_progress
from ensharpen_edge.runtime.photo_result import PhotoResult
from ensharpen_edge.runtime.pipeline import TileChoice
from ensharpen_edge.runtime.sharpener import Sharpener

__all__ = ["PhotoResult", "output_paths", "prepare_folder", "process", "sharpen_files"]


def output_paths(photos: Sequence[Path], folder: Path, suffix: str | None, overwrite: bool = False) -> list[Path]:
    """Return where each photograph goes; one that is named twice goes there once.

    Args:
        photos: The sources.
        folder: The folder of the results.
        suffix: The format to write, e.g. `jpg`, or None for each source's own.
        overwrite: Whether files in the folder may be replaced. Sources, and files beside them, never are.

    Raises:
        UsageError: Two would get the same name, one would overwrite a source, a file beside the sources or, unless
            `overwrite`, any file at all; or an unknown format.
    """
    if suffix is not None and f".{suffix}" not in SUFFIXES:
        raise UsageError(f"--format {suffix!r} is not written", hint=f"known: {', '.join(s[1:] for s in SUFFIXES)}")
    targets: dict[str, tuple[Path, Path]] = {}
    # However a folder is written, `..` and links included, it is the same folder.
    source_folders = {photo.parent.resolve() for photo in photos}
    sources = {photo.resolve() for photo in photos}
    for photo in dict.fromkeys(photos):
        target = folder / (photo.name if suffix is None else f"{photo.stem}.{suffix}")
        key = str(target).casefold()  # some file systems do not tell A from a
        if photo.name and key in targets:
            raise UsageError(f"{photo} and {targets[key][0]} would both be written to {target}")
        beside = folder.resolve() in source_folders and os.path.lexists(target)
        if beside or target.resolve() in sources:
            raise UsageError(f"{target}: exists beside the photographs", hint="choose another folder with -o")
        if photo.name not in ("", "..") and os.path.lexists(target) and not overwrite:
            raise UsageError(f"{target}: exists already", hint="choose another folder with -o, or add --overwrite")
        targets[key if photo.name else str(photo)] = (photo, target)
    return [target for _, target in targets.values()]


def prepare_folder(folder: Path) -> None:
    """Create the output folder.

    Raises:
        BadInputError: It cannot be created or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInputError(f"{folder}: cannot be created ({error})") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadInputError(f"{folder}: cannot be written to")


def process(
    sharpener: Sharpener,
    source: Path,
    target: Path,
    *,
    tile: TileChoice = "auto",
    progress: Progress = no_progress,
    overwrite: bool = False,
) -> PhotoResult:
    """Decode, sharpen and encode one photograph; a user error becomes part of the result.

    Arguments are those of `Sharpener.sharpen_file`.
    """
    try:
        return sharpener.sharpen_file(source, target, overwrite, tile=tile, progress=progress)
    except OutOfMemoryError as error:
        return PhotoResult(source, error=OutOfMemoryError(f"{source}: {error}"))
    except EnsharpenError as error:
        return PhotoResult(source, error=error)
    except MemoryError:
        return PhotoResult(source, error=OutOfMemoryError(f"{source}: not enough memory"))
    except OSError as error:
        return PhotoResult(source, error=BadInputError(f"{source}: {error}"))


def sharpen_files(
    sharpener: Sharpener,
    sources: Sequence[Path],
    folder: Path,
    *,
    suffix: str | None = None,
    tile: TileChoice = "auto",
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> Iterator[PhotoResult]:
    """Sharpen photographs into a folder. They are independent: a damaged one is a result with an error.

    Everything that can be said without reading a photograph is checked by this call, before the first result is asked
    for.

    Args:
        sharpener: An open sharpener.
        sources: JPEG, PNG, WebP or TIFF files.
        folder: The folder to write to; it is created where it is missing.
        suffix: The format to write, e.g. `jpg`, or None for each source's own.
        tile: `auto`, `off`, or the side of tiles in pixels. It never changes the result.
        overwrite: Replace files that are in the folder. Sources, and files beside them, are never replaced.
        progress: Told which photograph is being sharpened, and how many of its tiles are done.

    Returns:
        An iterator that does the work: one result a photograph, in order.

    Raises:
        UsageError: See `output_paths` and `Sharpener.check_tile`.
        BadInputError: The folder cannot be created or written to.
    """
    sharpener.check_tile(tile)
    targets = output_paths(sources, folder, suffix, overwrite)
    prepare_folder(folder)
    pairs = zip(dict.fromkeys(sources), targets, strict=True)
    return (
        process(
            sharpener, source, target, tile=tile, progress=progress, overwrite=overwrite
        )
        for source, target in pairs
    )  # fmt: skip
