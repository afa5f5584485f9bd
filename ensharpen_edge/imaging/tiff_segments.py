"""Whether all strips or tiles of a TIFF are there, whole.

Decoders leave what is missing black, or grey, and do not say so. The directory is compared with the picture's size and
the file's, before a pixel is decoded; libtiff then reports a strip whose bytes give too few samples, except for JPEG,
whose markers are read here.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import BinaryIO

from ensharpen_edge.errors import BadInputError
from ensharpen_edge.imaging.jpeg_outline import read_jpeg_outline
from ensharpen_edge.imaging.limits import MOST_SCANS
from ensharpen_edge.imaging.tiff_directory import TiffDirectory

_NOT_COMPRESSED, _JPEG = 1, 7
_FIRST_BYTE = 8
"""Bytes of the header, which no strip lies in."""

_MOST_SHARED = 256 << 20
"""Bytes that strips may have beyond the file's own: equal ones may share their bytes, but each is decompressed anew."""


def check_segments(tiff: TiffDirectory, stream: BinaryIO, path: Path) -> None:
    """Refuse a TIFF that lacks a part of its picture. A sparse file, whose empty tiles stand for black, is one, too.

    Args:
        tiff: The first directory of the file.
        stream: The file, open for reading and seekable.
        path: Name of the file in messages.

    Raises:
        BadInputError: Naming the strip or tile and what it lacks.
    """
    kind, many = ("tile", "tiles") if tiff.tiled else ("strip", "strips")
    if len(tiff.offsets) < tiff.segments:
        lacking = tiff.segments - len(tiff.offsets)
        raise _bad(path, f"{lacking:,} of {tiff.segments:,} {many} {'is' if lacking == 1 else 'are'} missing")
    if len(tiff.offsets) > tiff.segments:
        raise _bad(path, f"{len(tiff.offsets):,} {many} where the picture's size takes {tiff.segments:,}")
    counts = tiff.counts
    if counts is None:
        if tiff.compression != _NOT_COMPRESSED:
            raise _bad(path, f"the byte counts of its {many} are missing")
        counts = tuple(tiff.segment_bytes(number) for number in range(tiff.segments))
    if len(counts) != tiff.segments:
        raise _bad(path, f"{len(counts):,} byte counts for {tiff.segments:,} {many}")
    if sum(counts) > tiff.file_size + _MOST_SHARED:
        raise _bad(path, f"its {many} share their bytes too often")
    for number, (offset, count) in enumerate(zip(tiff.offsets, counts, strict=True)):
        part = f"{kind} {number + 1:,} of {tiff.segments:,}"
        if not count:
            raise _bad(path, f"{part} is empty")
        if offset < _FIRST_BYTE or offset + count > tiff.file_size:
            raise _bad(path, f"{part} lies beyond the file's {tiff.file_size:,} bytes")
        needed = tiff.segment_bytes(number)
        if tiff.compression == _NOT_COMPRESSED and count < needed:
            raise _bad(path, f"{part} has {count:,} of {needed:,} bytes")
        if tiff.compression == _JPEG:
            stream.seek(offset)
            _check_jpeg(tiff, number, stream.read(count), part, path)


def is_libtiff_failure(error: Exception) -> bool:
    """Return whether an error is Pillow's for a strip or tile that libtiff could not decompress to its full size."""
    return isinstance(error, OSError) and str(error).startswith("decoder error")


def _check_jpeg(tiff: TiffDirectory, number: int, content: bytes, part: str, path: Path) -> None:
    try:
        outline = read_jpeg_outline(io.BytesIO(content), path)
    except struct.error as error:
        raise _bad(path, f"{part} ends within its JPEG header") from error
    rows, columns = tiff.segment_rows(number), tiff.segment_width
    if outline.height < rows or outline.width < columns:
        raise _bad(path, f"{part} has {outline.width}x{outline.height} of {columns}x{rows} pixels")
    if not outline.ended:
        raise _bad(path, f"{part} ends before its JPEG data does")
    if outline.scans > MOST_SCANS:
        raise BadInputError(f"{path}: {part} has more than {MOST_SCANS} scans", hint="save the picture anew")


def _bad(path: Path, reason: str) -> BadInputError:
    return BadInputError(f"{path}: the picture is not whole: {reason}", hint="copy the file again from its source")
