"""The facts that a file states before its pixels: format, size, samples, frames, scans. Nothing is decoded."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ensharpen_edge.errors import BadInputError
from ensharpen_edge.imaging.jpeg_outline import read_jpeg_outline
from ensharpen_edge.imaging.tiff_directory import TiffDirectory, is_tiff, read_tiff_directory

_MOST_PARTS = 10_000
"""Chunks of a PNG before its pixels, or of a WebP: thousands of them are an attack."""

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples of a pixel by colour type (PNG, third edition, 11.2.1)."""


@dataclass(frozen=True)
class Header:
    """The claims of a picture's file.

    Attributes:
        format: Pillow's name of the format: JPEG, PNG, WEBP or TIFF.
        width: Pixels of a row, before any orientation is applied.
        height: Rows, before any orientation is applied.
        samples: Channels of a pixel, as stored.
        bits: Bits of a sample, as stored.
        frames: Pictures in the file.
        scans: Passes over a JPEG's picture; 1 for other formats.
        segments: Strips or tiles of a TIFF; 1 for other formats.
        tiff: The first directory of a TIFF, or None.
    """

    format: str
    width: int
    height: int
    samples: int
    bits: int = 8
    frames: int = 1
    scans: int = 1
    segments: int = 1
    tiff: TiffDirectory | None = None

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height


def read_header(stream: BinaryIO, path: Path) -> Header | None:
    """Read the header of a picture and leave the stream at its beginning.

    Args:
        stream: The file, open for reading and seekable.
        path: Name of the file in messages.

    Returns:
        The header, or None where the file is of no format that is read.

    Raises:
        BadInputError: The header is damaged, or longer than any picture's.
    """
    stream.seek(0)
    signature = stream.read(16)
    try:
        if signature[:3] == b"\xff\xd8\xff":
            return _jpeg(stream, path)
        if signature[:8] == _PNG:
            return _png(stream, path)
        if signature[:4] == b"RIFF" and signature[8:12] == b"WEBP":
            return _webp(stream, path)
        if is_tiff(signature):
            return _tiff(stream, path)
        return None
    except struct.error as error:
        raise BadInputError(f"{path}: damaged image: the file ends within its header") from error
    finally:
        stream.seek(0)


def _jpeg(stream: BinaryIO, path: Path) -> Header:
    stream.seek(0)
    outline = read_jpeg_outline(stream, path)
    return Header("JPEG", outline.width, outline.height, outline.samples, outline.bits, scans=max(1, outline.scans))


def _png(stream: BinaryIO, path: Path) -> Header:
    stream.seek(len(_PNG))
    length, kind, width, height, bits, colour = struct.unpack(">I4sIIBB", stream.read(18))
    if kind != b"IHDR" or colour not in _PNG_SAMPLES:
        raise BadInputError(f"{path}: damaged image: a PNG without a valid IHDR chunk")
    samples, frames = _PNG_SAMPLES[colour], 1
    stream.seek(len(_PNG) + 12 + length)
    for _ in range(_MOST_PARTS):
        head = stream.read(8)
        if len(head) < 8 or head[4:] == b"IDAT":
            return Header("PNG", width, height, samples, bits, frames)
        (length,) = struct.unpack(">I", head[:4])
        data = stream.tell()
        if head[4:] == b"acTL":
            (frames,) = struct.unpack(">I", stream.read(4))
        stream.seek(data + length + 4)
    raise BadInputError(f"{path}: more than {_MOST_PARTS:,} PNG chunks before the pixels", hint="save the picture anew")


def _webp(stream: BinaryIO, path: Path) -> Header:
    sizes, frames, samples = [], 0, 3
    stream.seek(12)
    for _ in range(_MOST_PARTS):
        head = stream.read(8)
        if len(head) < 8:
            break
        kind, length = struct.unpack("<4sI", head)
        data = stream.tell()
        if kind == b"VP8X":
            flags, *canvas = struct.unpack("<B3x3s3s", stream.read(10))
            sizes.append((int.from_bytes(canvas[0], "little") + 1, int.from_bytes(canvas[1], "little") + 1))
            samples = 4 if flags & 0x12 else samples  # transparent or animated
        elif kind == b"VP8 ":
            wide, high = struct.unpack("<6xHH", stream.read(10))
            sizes.append((wide & 0x3FFF, high & 0x3FFF))
        elif kind == b"VP8L":
            (packed,) = struct.unpack("<xI", stream.read(5))
            sizes.append(((packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1))
            samples = 4
        frames += kind == b"ANMF"
        stream.seek(data + length + length % 2)
    else:
        raise BadInputError(f"{path}: more than {_MOST_PARTS:,} WebP chunks", hint="save the picture anew")
    if not sizes:
        raise BadInputError(f"{path}: damaged image: a WebP file without a picture")
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    return Header("WEBP", width, height, samples, frames=max(1, frames))


def _tiff(stream: BinaryIO, path: Path) -> Header:
    first = read_tiff_directory(stream, path)
    return Header(
        "TIFF",
        first.width,
        first.height,
        first.samples,
        max(first.bits),
        first.frames,
        segments=max(first.segments, len(first.offsets)),
        tiff=first,
    )
