"""Size and number of scans of a JPEG, read from its markers (ITU-T T.81, annex B). Nothing is decoded."""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ensharpen_edge.errors import BadInputError

_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""A marker (B.1.1.3), but no restart marker, stuffed zero or fill byte."""

_SOI, _EOI, _SOS, _TEM = 0xD8, 0xD9, 0xDA, 0x01
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BLOCK = 1 << 14

_MOST_MARKERS = 10_000
"""Segments of a stream: thousands of them are an attack."""


@dataclass(frozen=True)
class JpegOutline:
    """Facts from the markers of a JPEG stream.

    Attributes:
        width: Pixels of a row.
        height: Rows.
        samples: Components.
        bits: Bits of a sample.
        scans: Passes over the picture.
        ended: The end of image is there.
    """

    width: int
    height: int
    samples: int
    bits: int
    scans: int
    ended: bool


def read_jpeg_outline(stream: BinaryIO, path: Path) -> JpegOutline:
    """Walk all markers of a JPEG from the stream's position to its end of image.

    Every start of scan counts. Embedded thumbnails lie within segments, which are skipped. Of several frame headers,
    which no decoder takes, the largest is reported.

    Raises:
        BadInputError: There is no frame header, or there are more than 10,000 segments.
        struct.error: The file ends within a frame header.
    """
    sizes: list[tuple[int, int, int, int]] = []
    scans, ended = 0, False
    for _ in range(_MOST_MARKERS):
        marker = _next_marker(stream)
        ended = marker == _EOI
        if marker is None or ended:
            break
        if marker in (_SOI, _TEM):
            continue
        (length,) = struct.unpack(">H", stream.read(2).ljust(2, b"\0"))
        if length < 2:
            break  # no decoder finds its way from here
        end = stream.tell() + length - 2
        if marker in _FRAME_HEADERS:
            sizes.append(struct.unpack(">BHHB", stream.read(6)))
        scans += marker == _SOS
        stream.seek(end)
    else:
        raise BadInputError(f"{path}: more than {_MOST_MARKERS:,} JPEG segments", hint="save the picture anew")
    if not sizes:
        raise BadInputError(f"{path}: damaged image: a JPEG without a frame header")
    bits, height, width, samples = max(sizes, key=lambda size: size[1] * size[2])
    return JpegOutline(width, height, samples, bits, scans, ended)


def _next_marker(stream: BinaryIO) -> int | None:
    """The code of the next marker; the stream is left behind it. None at the file's end."""
    rest = b""
    while block := stream.read(_BLOCK):
        data = rest + block
        if found := _MARKER.search(data):
            stream.seek(found.end() - len(data), os.SEEK_CUR)
            return found[0][1]
        rest = b"\xff" if data.endswith(b"\xff") else b""
    return None
