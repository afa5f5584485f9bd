"""The first directory of a TIFF file: how its pixels are laid down (TIFF 6.0; BigTIFF). No pixel is decoded."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ensharpen_edge.errors import BadInputError

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP, _STRIP_COUNTS, _PLANAR = 273, 277, 278, 279, 284
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_COUNTS, _EXTRA, _SAMPLE_FORMAT = 322, 323, 324, 325, 338, 339
_SUBSAMPLING = 530
_NAMES = {
    _WIDTH: "ImageWidth",
    _HEIGHT: "ImageLength",
    _BITS: "BitsPerSample",
    _COMPRESSION: "Compression",
    _PHOTOMETRIC: "PhotometricInterpretation",
    _FILL_ORDER: "FillOrder",
    _STRIP_OFFSETS: "StripOffsets",
    _SAMPLES: "SamplesPerPixel",
    _ROWS_PER_STRIP: "RowsPerStrip",
    _STRIP_COUNTS: "StripByteCounts",
    _PLANAR: "PlanarConfiguration",
    _TILE_WIDTH: "TileWidth",
    _TILE_HEIGHT: "TileLength",
    _TILE_OFFSETS: "TileOffsets",
    _TILE_COUNTS: "TileByteCounts",
    _EXTRA: "ExtraSamples",
    _SAMPLE_FORMAT: "SampleFormat",
    _SUBSAMPLING: "YCbCrSubSampling",
}
_INTEGERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
"""Formats of the field types BYTE, SHORT, LONG and LONG8."""

_MOST_ENTRIES = 4_096
_MOST_VALUES = 1_000_000
"""Values of one field."""

_MOST_SAMPLES = 6
"""Channels of a pixel: four colours and two more."""

_MOST_DIRECTORIES = 4_097
"""Counted, one more than any limit on frames needs to know."""


@dataclass(frozen=True)
class TiffDirectory:
    """Size and layout of a TIFF's first picture.

    Attributes:
        width: Pixels of a row.
        height: Rows.
        bits: Bits of each sample of a pixel.
        samples: Samples of a pixel.
        extra: The meaning of each sample beyond the colours' (0 unspecified, 1 associated alpha, 2 alpha).
        sample_formats: The kind of number of the samples (1 unsigned, 2 signed, 3 floating point), each kind once.
        photometric: The meaning of the colour samples, PhotometricInterpretation.
        subsampling: Columns and rows that share a colour, of luminance and two colour differences.
    planar: Channels are stored one after the other.
        compression: The number of the compression.
        fill_order: 2 where the bits of a byte come in reverse.
        big_endian: The byte order is "MM".
        tiled: The picture is cut into tiles, not strips.
        segment_height: Rows of a strip or tile.
        segment_width: Columns of a strip or tile.
        offsets: Where each strip or tile begins in the file.
        counts: Bytes of each strip or tile; None where the file does not say.
        frames: Directories in the file, counted up to 4,097.
        file_size: Bytes of the whole file.
    """

    width: int
    height: int
    bits: tuple[int, ...]
    samples: int
    extra: tuple[int, ...]
    sample_formats: tuple[int, ...]
    photometric: int
    subsampling: tuple[int, ...]
    planar: bool
    compression: int
    fill_order: int
    big_endian: bool
    tiled: bool
    segment_height: int
    segment_width: int
    offsets: tuple[int, ...]
    counts: tuple[int, ...] | None
    frames: int
    file_size: int

    @property
    def segments(self) -> int:
        """Strips or tiles that the picture's size asks for."""
        down, across = -(-self.height // self.segment_height), -(-self.width // self.segment_width)
        return down * across * (self.samples if self.planar else 1)

    def segment_rows(self, number: int) -> int:
        """Return the rows of strip or tile `number`; the last strip may be lower, tiles are padded."""
        down = -(-self.height // self.segment_height)
        last = number % down == down - 1
        return self.height - (down - 1) * self.segment_height if last and not self.tiled else self.segment_height

    def segment_bytes(self, number: int) -> int:
        """Return the bytes of strip or tile `number` when it is not compressed."""
        samples = 1 if self.planar else self.samples
        return self.segment_rows(number) * (-(-self.segment_width * samples * max(self.bits) // 8))


def is_tiff(signature: bytes) -> bool:
    """Return whether a file that begins with these bytes, four at least, is a TIFF or BigTIFF."""
    return signature[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_tiff_directory(stream: BinaryIO, path: Path) -> TiffDirectory:
    """Read the first directory of a TIFF.

    Args:
        stream: The file, open for reading and seekable.
        path: Name of the file in messages.

    Raises:
        BadInputError: A field is missing, doubled, of a wrong type or without a meaning.
        struct.error: The file ends within the directory.
    """
    return _Reader(stream, path).directory()


class _Reader:
    """Reads integers of a TIFF in its own byte order and width of offsets."""

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        self._stream, self._path = stream, path
        self._size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        head = stream.read(4)
        self._big_endian = head[:2] == b"MM"
        self._order = ">" if self._big_endian else "<"
        self._big = 43 in head[2:]
        self._place, self._number = ("Q", "Q") if self._big else ("I", "H")
        if self._big and self._big_endian:
            raise BadInputError(
                f"{path}: a BigTIFF in big-endian order is not read", hint="save it in little-endian order"
            )
        if self._big:
            self._unpack("HH")

    def directory(self) -> TiffDirectory:
        """The first directory, and the number of all."""
        (first,) = self._unpack(self._place)
        fields, following = self._fields(first)
        return self._described(fields, self._count_directories(first, following))

    def _bad(self, reason: str) -> BadInputError:
        return BadInputError(f"{self._path}: damaged TIFF: {reason}")

    def _unpack(self, kind: str) -> tuple[int, ...]:
        kind = self._order + kind
        return struct.unpack(kind, self._stream.read(struct.calcsize(kind)))

    def _entry_bytes(self) -> int:
        return 20 if self._big else 12

    def _go(self, offset: int) -> None:
        if not 8 <= offset < self._size:
            raise self._bad(f"a directory at byte {offset} of {self._size}")
        self._stream.seek(offset)

    def _fields(self, offset: int) -> tuple[dict[int, tuple[int, ...]], int]:
        """Values of the fields that describe the layout, and the offset of the next directory."""
        self._go(offset)
        (entries,) = self._unpack(self._number)
        if entries > _MOST_ENTRIES:
            raise self._bad(f"a directory of {entries} fields")
        start = self._stream.tell()
        found: dict[int, tuple[int, ...]] = {}
        for number in range(entries):
            self._stream.seek(start + number * self._entry_bytes())
            tag, kind, count = self._unpack("HH" + self._place)
            if tag in _NAMES:
                if tag in found:
                    raise self._bad(f"{_NAMES[tag]} is there twice")
                found[tag] = self._values(tag, kind, count)
        self._stream.seek(start + entries * self._entry_bytes())
        rest = self._stream.read(8 if self._big else 4)
        following = struct.unpack(self._order + self._place, rest)[0] if len(rest) == (8 if self._big else 4) else 0
        return found, following

    def _values(self, tag: int, kind: int, count: int) -> tuple[int, ...]:
        name = _NAMES[tag]
        if kind not in _INTEGERS:
            raise self._bad(f"{name} is of field type {kind}, which holds no whole numbers")
        if not 0 < count <= _MOST_VALUES:
            raise self._bad(f"{name} has {count} values")
        size = count * struct.calcsize("<" + _INTEGERS[kind])
        if size > (8 if self._big else 4):
            (offset,) = self._unpack(self._place)
            if offset + size > self._size:
                raise self._bad(f"{name} lies beyond the end of the file")
            self._stream.seek(offset)
        return self._unpack(f"{count}{_INTEGERS[kind]}")

    def _count_directories(self, first: int, following: int) -> int:
        seen = {first}
        while following and following not in seen and len(seen) < _MOST_DIRECTORIES:
            seen.add(following)
            self._stream.seek(min(following, self._size))
            try:
                (entries,) = self._unpack(self._number)
                self._stream.seek(min(self._stream.tell() + entries * self._entry_bytes(), self._size))
                (following,) = self._unpack(self._place)
            except struct.error:
                break  # the pictures behind the first one are not read
        return len(seen)

    def _described(self, fields: dict[int, tuple[int, ...]], frames: int) -> TiffDirectory:
        def one(tag: int, default: int | None = None) -> int:
            if tag not in fields and default is None:
                raise self._bad(f"{_NAMES[tag]} is missing")
            return fields[tag][0] if tag in fields else default or 0

        width, height, samples = one(_WIDTH), one(_HEIGHT), one(_SAMPLES, 1)
        if not (width and height):
            raise self._bad(f"a picture of {width}x{height} pixels")
        if not 1 <= samples <= _MOST_SAMPLES:
            raise BadInputError(f"{self._path}: TIFF of {samples} channels; at most {_MOST_SAMPLES} are read")
        bits = fields.get(_BITS, (1,))
        bits = bits * samples if len(bits) == 1 else bits
        if len(bits) != samples:
            raise self._bad(f"BitsPerSample has {len(bits)} values for {samples} samples")
        tiled = _TILE_OFFSETS in fields
        if not tiled and _STRIP_OFFSETS not in fields:
            raise self._bad("neither StripOffsets nor TileOffsets is there")
        if tiled and fields.keys() & {_STRIP_OFFSETS, _STRIP_COUNTS, _ROWS_PER_STRIP}:
            raise self._bad("it has strips and tiles")
        if not tiled and fields.keys() & {_TILE_WIDTH, _TILE_HEIGHT, _TILE_COUNTS}:
            raise self._bad("it has strips and tiles")
        tall = one(_TILE_HEIGHT) if tiled else min(one(_ROWS_PER_STRIP, height), height)
        wide = one(_TILE_WIDTH) if tiled else width
        if not (tall and wide):
            raise self._bad(f"strips or tiles of {wide}x{tall} pixels")
        offsets, counts = (_TILE_OFFSETS, _TILE_COUNTS) if tiled else (_STRIP_OFFSETS, _STRIP_COUNTS)
        return TiffDirectory(
            width=width,
            height=height,
            bits=bits,
            samples=samples,
            extra=fields.get(_EXTRA, ()),
            sample_formats=tuple(sorted(set(fields.get(_SAMPLE_FORMAT, (1,))))),
            photometric=one(_PHOTOMETRIC),
            subsampling=fields.get(_SUBSAMPLING, (2, 2)),
            planar=one(_PLANAR, 1) == 2,
            compression=one(_COMPRESSION, 1),
            fill_order=one(_FILL_ORDER, 1),
            big_endian=self._big_endian,
            tiled=tiled,
            segment_height=tall,
            segment_width=wide,
            offsets=fields[offsets],
            counts=fields.get(counts),
            frames=frames,
            file_size=self._size,
        )
