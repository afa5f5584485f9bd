"""Photographs decoded once into one file of pixels, which every process of a run maps into its memory.

The cache is keyed by the files' names, sizes and modification times, so a changed folder makes a new one. Workers and
the processes of a distributed run share the same physical pages.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import os
import socket
import time
from pathlib import Path
from typing import Any

import numpy as np

from ensharpen_edge.arrays import U8
from ensharpen_edge.data.duplicates import fingerprint
from ensharpen_edge.data.photos import PhotoSet, unread_pictures
from ensharpen_edge.errors import BadInputError
from ensharpen_edge.files import cache_folder, whole_file
from ensharpen_edge.imaging.decode import read_photo
from ensharpen_edge.imaging.photo_folder import photo_files
from ensharpen_edge.progress import Progress, no_progress

_VERSION = 1
_ABANDONED = 24 * 3600.0
"""Seconds after which nobody writes to an unfinished file any more."""


def default_cache() -> Path:
    """Return `$XDG_CACHE_HOME/ensharpen-edge/photos`, by default below `~/.cache`."""
    return cache_folder("photos")


def load_photos(
    folder: Path,
    minimum_side: int = 1,
    progress: Progress = no_progress,
    cache: Path | None = None,
) -> PhotoSet:
    """Return every usable photograph of a folder. Unreadable and too small ones are skipped and named.

    Args:
        folder: Searched recursively.
        minimum_side: Photographs with a shorter side are skipped.
        progress: Told how many files are decoded.
        cache: Folder of the decoded pixels; None decodes into memory.

    Raises:
        BadInputError: Nothing usable is left, or the cache cannot be written.
    """
    paths = photo_files(folder)
    if cache is None:
        photos = _decode(folder, paths, progress, _InMemory())
    else:
        photos = _load_cached(folder, paths, progress, cache)
    small = {name: image.shape for name, image in zip(photos.names, photos.images, strict=True)
             if min(image.shape[:2]) < minimum_side}  # fmt: skip
    lines = [f"{folder / n}: {s[1]}x{s[0]} is smaller than {minimum_side} pixels" for n, s in small.items()]
    usable = photos.subset(lambda name: name not in small)
    skipped = (*photos.skipped, *lines, *unread_pictures(folder))
    if not len(usable):
        raise BadInputError(f"{folder}: no usable photograph among {len(paths)}", hint="; ".join(skipped[:3]))
    return PhotoSet(usable.names, usable.images, usable.fingerprints, skipped)


def release_pages(image: U8) -> None:
    """Give back the memory that cached photographs were read into; what is needed again is read from the file again.

    Without this a pass over a large folder looks, and under a memory limit is, as large as the folder.

    Args:
        image: A photograph of the cache, or any other array, which is left alone.
    """
    mapping = getattr(image, "_mmap", None)
    if mapping is not None and hasattr(mapping, "madvise"):
        mapping.madvise(mmap.MADV_DONTNEED)


def cache_key(folder: Path, paths: list[Path]) -> str:
    """Return the hash of names, sizes and times of the files."""
    digest = hashlib.sha256(f"{_VERSION}\n".encode() + os.fsencode(folder.resolve()) + b"\n")
    for path in paths:
        try:
            status = path.stat()
            # The change time notices permissions, too: a file that could not be read may be readable now.
            state = f"{status.st_size}\0{status.st_mtime_ns}\0{status.st_ctime_ns}"
        except OSError:
            state = "cannot be read"
        digest.update(os.fsencode(path.relative_to(folder)) + f"\0{state}\n".encode())
    return digest.hexdigest()[:24]


class _InMemory:
    """Keeps decoded pixels as arrays."""

    def add(self, image: U8) -> U8:
        return image


class _ToFile:
    """Appends decoded pixels to a file; the arrays are mapped later."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def add(self, image: U8) -> U8:
        self._file.write(np.ascontiguousarray(image).data)
        return image[:0]  # the pixels are not kept

    def close(self) -> None:
        self._file.close()


def _decode(
    folder: Path,
    paths: list[Path],
    progress: Progress,
    sink: _InMemory | _ToFile,
    shapes: list[tuple[int, int]] | None = None,
) -> PhotoSet:
    names, images, fingerprints, skipped = [], [], [], []
    for done, path in enumerate(paths, start=1):
        try:
            path.relative_to(folder).as_posix().encode()
            rgb = read_photo(path).rgb
        except UnicodeEncodeError:
            skipped.append(f"{os.fsencode(path)!r}: the name is not UTF-8")
        except MemoryError:
            skipped.append(f"{path}: does not fit into memory")
        except BadInputError as error:
            skipped.append(str(error))
        else:
            names.append(path.relative_to(folder).as_posix())
            fingerprints.append(fingerprint(rgb))
            images.append(sink.add(rgb))
            if shapes is not None:
                shapes.append((rgb.shape[0], rgb.shape[1]))
        progress("decoding", done, len(paths))
    return PhotoSet(tuple(names), tuple(images), tuple(fingerprints), tuple(skipped))


def _load_cached(folder: Path, paths: list[Path], progress: Progress, cache: Path) -> PhotoSet:
    key = cache_key(folder, paths)
    index_path, pixels_path = cache / f"{key}.json", cache / f"{key}.u8"
    index = _read_index(index_path, pixels_path)
    if index is None:
        try:
            cache.mkdir(parents=True, exist_ok=True)
            index = _write_cache(folder, paths, progress, index_path, pixels_path)
        except OSError as error:
            raise BadInputError(
                f"{cache}: cannot write decoded photographs ({error})",
                hint="free some space, or choose another folder with --cache",
            ) from error
    if not index["names"]:
        return PhotoSet((), (), (), tuple(index["skipped"]))
    try:
        pixels = np.memmap(pixels_path, dtype=np.uint8, mode="r")
    except OSError as error:
        raise BadInputError(f"{pixels_path}: was removed meanwhile ({error})", hint="start again") from error
    images, offset = [], 0
    for height, width in index["shapes"]:
        size = height * width * 3
        images.append(pixels[offset : offset + size].reshape(height, width, 3))
        offset += size
    return PhotoSet(tuple(index["names"]), tuple(images), tuple(index["fingerprints"]), tuple(index["skipped"]))


def _read_index(index_path: Path, pixels_path: Path) -> dict[str, Any] | None:
    """Return the index of a complete cache, or None: a damaged one is simply made again."""
    try:
        index: dict[str, Any] = json.loads(index_path.read_text(encoding="utf-8"))
        expected = sum(height * width * 3 for height, width in index["shapes"])
        return index if pixels_path.stat().st_size == expected else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_cache(
    folder: Path,
    paths: list[Path],
    progress: Progress,
    index_path: Path,
    pixels_path: Path,
) -> dict[str, Any]:
    shapes: list[tuple[int, int]] = []
    identity = _identity(folder)
    with whole_file(pixels_path) as temporary:
        sink = _ToFile(temporary)
        try:
            photos = _decode(folder, paths, progress, sink, shapes)
        finally:
            sink.close()
    index = {
        "folder": identity,
        "names": photos.names,
        "shapes": shapes,
        "fingerprints": photos.fingerprints,
        "skipped": photos.skipped,
    }
    with whole_file(index_path) as temporary:
        temporary.write_text(json.dumps(index), encoding="utf-8")
    _tidy(index_path, identity)
    return index


def _identity(folder: Path) -> str:
    """Return what tells a folder from those of other machines that share a cache, where its path may be the same."""
    status = folder.stat()
    return f"{socket.gethostname()} {folder.resolve()} {status.st_dev}:{status.st_ino}"


def _tidy(kept: Path, folder: str) -> None:
    """Remove what the folder held before it changed, and what an ended process left unfinished.

    A run that still reads an older file goes on reading it: it is gone when the last one lets go.
    """
    for path in kept.parent.glob("*.json"):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            if path != kept and json.loads(path.read_text(encoding="utf-8")).get("folder") == folder:
                path.with_suffix(".u8").unlink(missing_ok=True)
                path.unlink(missing_ok=True)
    for path in kept.parent.glob(".*.u8"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED:
                path.unlink(missing_ok=True)
