"""TIFF files written byte by byte from arrays, so that what a decoder makes of them can be compared with the truth."""

from __future__ import annotations

import io
import lzma
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Samples = NDArray[np.integer] | NDArray[np.floating]

NONE, LZW, JPEG, DEFLATE, OLD_DEFLATE, PACKBITS, LZMA = 1, 5, 7, 8, 32946, 32773, 34925
MIN_IS_WHITE, MIN_IS_BLACK, RGB, PALETTE, CMYK, YCBCR, LAB = 0, 1, 2, 3, 5, 6, 8
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
_SHORT, _LONG, _LONG8 = 3, 4, 16


@dataclass(frozen=True)
class Layout:
    """How samples are laid down.

    Attributes:
        bits: Of a sample.
        photometric: Meaning of the colour channels.
        order: "<" or ">".
        planar: Channel after channel instead of pixel after pixel.
        compression: TIFF's number of it.
        extra: A value for each channel beyond the colours': 0 unspecified, 1 associated alpha, 2 alpha.
        sample_format: UNSIGNED, SIGNED or FLOAT.
        predictor: 2 for differences along rows.
        rows: In a strip; None for all.
        tile: (height, width), multiples of 16, instead of strips.
        fill_order: 2 where a byte's bits come in reverse.
        big: BigTIFF.
        tags: SHORT tags to add or to replace.
    """

    bits: int = 8
    photometric: int = RGB
    order: str = "<"
    planar: bool = False
    compression: int = NONE
    extra: Sequence[int] = ()
    sample_format: int = UNSIGNED
    predictor: int = 1
    rows: int | None = None
    tile: tuple[int, int] | None = None
    fill_order: int = 1
    big: bool = False
    tags: Mapping[int, Sequence[int]] = field(default_factory=dict)


def tiff(samples: Samples, layout: Layout) -> bytes:
    """A file of one picture, (height, width, channels)."""
    return pack(samples.shape, segments(samples, layout), layout)


def segments(samples: Samples, layout: Layout) -> list[bytes]:
    """The compressed strips or tiles, in the file's order."""
    height, width, channels = samples.shape
    planes = [samples[..., [c]] for c in range(channels)] if layout.planar else [samples]
    parts: list[Samples] = []
    for plane in planes:
        if layout.tile is None:
            rows = layout.rows or height
            parts += [plane[top : top + rows] for top in range(0, height, rows)]
        else:
            tall, wide = layout.tile
            padded = np.pad(plane, ((0, -height % tall), (0, -width % wide), (0, 0)), mode="edge")
            parts += [padded[y : y + tall, x : x + wide] for y in range(0, height, tall) for x in range(0, width, wide)]
    return [_compressed(part, layout) for part in parts]


def pack(shape: tuple[int, ...], parts: Sequence[bytes], layout: Layout, counts: Sequence[int] | None = None) -> bytes:
    """A file of strips or tiles; `counts` instead of their true numbers of bytes."""
    height, width, channels = shape
    header = 16 if layout.big else 8
    offsets, at = [], header
    for part in parts:
        offsets.append(at)
        at += len(part)
    tags: dict[int, tuple[int, Sequence[int]]] = {
        256: (_LONG, [width]),
        257: (_LONG, [height]),
        258: (_SHORT, [layout.bits] * channels),
        259: (_SHORT, [layout.compression]),
        262: (_SHORT, [layout.photometric]),
        277: (_SHORT, [channels]),
        284: (_SHORT, [2 if layout.planar else 1]),
        339: (_SHORT, [layout.sample_format] * channels),
    }
    places = [273, 279] if layout.tile is None else [324, 325]
    tags[places[0]] = (_LONG, offsets)
    tags[places[1]] = (_LONG, [len(part) for part in parts] if counts is None else counts)
    if layout.tile is None:
        tags[278] = (_LONG, [layout.rows or height])
    else:
        tags[322], tags[323] = (_LONG, [layout.tile[1]]), (_LONG, [layout.tile[0]])
    if layout.fill_order != 1:
        tags[266] = (_SHORT, [layout.fill_order])
    if layout.predictor != 1:
        tags[317] = (_SHORT, [layout.predictor])
    if layout.photometric == PALETTE:
        tags[320] = (_SHORT, [257 * ((17 * i) % 256) for i in range(3 << min(layout.bits, 8))])
    if layout.extra:
        tags[338] = (_SHORT, list(layout.extra))
    if layout.photometric == YCBCR:
        tags[530] = (_SHORT, [1, 1])
    tags |= {tag: (_SHORT, values) for tag, values in layout.tags.items()}
    tags = {tag: entry for tag, entry in tags.items() if entry[1]}
    return _assembled(b"".join(parts), tags, layout)


def _assembled(body: bytes, tags: Mapping[int, tuple[int, Sequence[int]]], layout: Layout) -> bytes:
    order, big = layout.order, layout.big
    place, number = ("Q", "Q") if big else ("I", "H")
    mark = {"<": b"II", ">": b"MM"}[order]
    directory_at = (16 if big else 8) + len(body)
    values_at = directory_at + struct.calcsize(order + number) + len(tags) * (20 if big else 12) + (8 if big else 4)
    head = struct.pack(order + "HHHQ", 43, 8, 0, directory_at) if big else struct.pack(order + "HI", 42, directory_at)
    entries, values = struct.pack(order + number, len(tags)), b""
    for tag, (kind, items) in sorted(tags.items()):
        data = struct.pack(f"{order}{len(items)}{'H' if kind == _SHORT else 'I'}", *items)
        entries += struct.pack(f"{order}HH{place}", tag, kind, len(items))
        if len(data) <= (8 if big else 4):
            entries += data.ljust(8 if big else 4, b"\0")
        else:
            entries += struct.pack(order + place, values_at + len(values))
            values += data
    return mark + head + body + entries + bytes(8 if big else 4) + values


def _compressed(part: Samples, layout: Layout) -> bytes:
    data = _encoded(part, layout)
    if layout.fill_order == 2:
        data = np.packbits(np.unpackbits(np.frombuffer(data, np.uint8)).reshape(-1, 8)[:, ::-1]).tobytes()
    return data


def _encoded(part: Samples, layout: Layout) -> bytes:
    if layout.compression == JPEG:
        buffer = io.BytesIO()
        mode = {1: "L", 3: "RGB", 4: "CMYK"}[part.shape[2]]
        flat = part[..., 0] if mode == "L" else part
        image = Image.fromarray(np.ascontiguousarray(flat, dtype=np.uint8), mode=mode)
        image.save(buffer, "JPEG", quality=95, **({"keep_rgb": True} if mode == "RGB" else {}))
        return buffer.getvalue()
    data = _packed(part, layout)
    if layout.compression == LZW:
        return lzw(data)
    if layout.compression == PACKBITS:
        row = len(data) // part.shape[0]
        return b"".join(packbits(data[at : at + row]) for at in range(0, len(data), row))
    if layout.compression == LZMA:
        return lzma.compress(data)
    return zlib.compress(data) if layout.compression in (DEFLATE, OLD_DEFLATE) else data


def _packed(part: Samples, layout: Layout) -> bytes:
    height, width, channels = part.shape
    if layout.sample_format == FLOAT:
        return part.astype(f"{layout.order}f{layout.bits // 8}").tobytes()
    if layout.bits in (8, 16, 32):
        kind = np.dtype(f"{layout.order}u{layout.bits // 8}")
        stored = part.astype(kind.newbyteorder("="))
        if layout.predictor == 2:
            stored[:, 1:] -= stored[:, :-1].copy()
        return stored.astype(kind).tobytes()
    bits = part.reshape(height, width * channels, 1).astype(np.int64) >> np.arange(layout.bits)[::-1] & 1
    return np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1).tobytes()


def packbits(data: bytes) -> bytes:
    """Literal runs alone."""
    runs = [data[at : at + 128] for at in range(0, len(data), 128)]
    return b"".join(bytes([len(run) - 1]) + run for run in runs)


def lzw(data: bytes) -> bytes:
    """Literals of nine bits, with the table cleared before codes grow."""
    codes = []
    for at in range(0, len(data), 250):
        codes += [256, *data[at : at + 250]]
    bits = np.array([*codes, 257])[:, None] >> np.arange(9)[::-1] & 1
    return np.packbits(bits.astype(np.uint8)).tobytes()
