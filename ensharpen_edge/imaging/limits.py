"""Limits that a picture's header must keep before any of its pixels are decoded.

A file of a few kilobytes can claim, and fill, gigabytes; so the header is compared with fixed limits, the same on every
machine. They hold what cameras and stitching programs make (phones: 202 megapixels) and stop what only exhausts memory.
"""

from __future__ import annotations

from pathlib import Path

from ensharpen_edge.errors import BadInputError
from ensharpen_edge.imaging.headers import Header

MOST_PIXELS = 250_000_000
MOST_SIDE = 200_000
"""Pixels of width or height."""

MOST_MEMORY = 4 << 30
"""Bytes that decoding may take at its peak."""

MOST_FRAMES = 4_096
MOST_SCANS = 64
"""Passes over a JPEG: ten are usual, optimisers make up to about forty, and each costs the time of a decoding."""

MOST_SEGMENTS = 300_000
"""Strips or tiles of a TIFF: one for every row of the tallest, or tiles of 32x32 of the largest."""

_PEAK = 13
"""Bytes per pixel at the peak, decoder and conversion to `Photo`: measured for every mode, turned by EXIF."""

_PEAK_CMYK = 16
_PEAK_WEBP = 21
"""Bytes per pixel: more because libwebp holds two canvases, the frame and the file."""

_DECODED = 5
"""Bytes per pixel of the decoded picture alone, which a TIFF's decompressed strip or tile lies beside."""


def peak_memory(header: Header) -> int:
    """Return an upper estimate of the bytes that reading this picture takes at its peak."""
    if header.format == "WEBP":
        return header.pixels * _PEAK_WEBP
    peak = header.pixels * (_PEAK_CMYK if header.samples == 4 and header.format in ("JPEG", "TIFF") else _PEAK)
    if header.tiff is None:
        return peak
    return max(peak, header.pixels * _DECODED + header.tiff.segment_bytes(0))


def check_limits(header: Header, path: Path) -> None:
    """Refuse a picture whose header goes beyond a limit.

    Raises:
        BadInputError: Too many pixels, a side too long, too much memory, too many frames, scans or segments.
    """
    width, height = header.width, header.height
    if width < 1 or height < 1:
        raise BadInputError(f"{path}: a picture of {width}x{height} pixels has no content")
    if max(width, height) > MOST_SIDE:
        raise BadInputError(f"{path}: {width}x{height} pixels; a side may have {MOST_SIDE:,}", hint="cut it into parts")
    if header.pixels > MOST_PIXELS:
        raise BadInputError(
            f"{path}: {width}x{height} pixels are more than {MOST_PIXELS // 1_000_000} megapixels",
            hint="cut it into parts, or make it smaller",
        )
    memory = peak_memory(header)
    if memory > MOST_MEMORY:
        raise BadInputError(
            f"{path}: to decode {width}x{height} pixels takes {memory / 2**30:.1f} GiB, more than {MOST_MEMORY >> 30}",
            hint="cut it into parts, or make it smaller",
        )
    for count, most, what in (
        (header.frames, MOST_FRAMES, "frames"),
        (header.scans, MOST_SCANS, "scans"),
        (header.segments, MOST_SEGMENTS, "strips or tiles"),
    ):
        if count > most:
            raise BadInputError(f"{path}: more than {most:,} {what}", hint="save the picture anew")
