"""The layouts of TIFF samples that are read right.

Pillow takes many a layout for another one without a word: uncompressed channels of 16 bits that are stored one after
the other come out scrambled, signed samples as unsigned. So the layouts are listed that were compared with arrays,
sample by sample (`tests/imaging/test_tiff_layouts.py`), and what is not on the list is refused with its reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ensharpen_edge.errors import BadInputError
from ensharpen_edge.imaging.tiff_directory import TiffDirectory

_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _PALETTE, _CMYK, _YCBCR, _LAB = 0, 1, 2, 3, 5, 6, 8
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_NONE, _LZW, _JPEG, _DEFLATE, _OLD_DEFLATE, _PACKBITS, _LZMA, _ZSTD = 1, 5, 7, 8, 32946, 32773, 34925, 50000
_COMPRESSIONS = {_NONE, _LZW, _JPEG, _DEFLATE, _OLD_DEFLATE, _PACKBITS, _LZMA, _ZSTD}
_FAX = (2, 3, 4)
"""CCITT compressions, of pictures in black and white: the decoder takes a cut-off one for a whole one."""

_COLOURS = {
    _MIN_IS_WHITE: "negative grey",
    _MIN_IS_BLACK: "grey",
    _RGB: "RGB",
    _PALETTE: "palette",
    _CMYK: "CMYK",
    _YCBCR: "YCbCr",
    _LAB: "CIELAB",
}
_EXTRA = {0: "an unspecified channel", 1: "premultiplied alpha", 2: "alpha"}

_Bits = Mapping[tuple[int, int, tuple[int, ...]], frozenset[int]]
"""Bits of a sample by photometric interpretation, number of samples and extra samples."""


def _bits(*values: int) -> frozenset[int]:
    return frozenset(values)


_INTERLEAVED: _Bits = {
    (_MIN_IS_WHITE, 1, ()): _bits(1, 2, 4, 8, 16),
    (_MIN_IS_BLACK, 1, ()): _bits(1, 2, 4, 8, 12, 16, 32),
    (_MIN_IS_BLACK, 2, (0,)): _bits(8),
    (_MIN_IS_BLACK, 2, (2,)): _bits(8),
    (_RGB, 3, ()): _bits(8, 16),
    (_RGB, 4, ()): _bits(8, 16),  # a fourth channel without a meaning is alpha in practice
    (_RGB, 4, (0,)): _bits(8, 16),
    (_RGB, 4, (1,)): _bits(8, 16),
    (_RGB, 4, (2,)): _bits(8, 16),
    (_RGB, 5, (0, 0)): _bits(8),
    (_RGB, 5, (1, 0)): _bits(8),
    (_RGB, 5, (2, 0)): _bits(8),
    (_RGB, 6, (0, 0, 0)): _bits(8),
    (_RGB, 6, (1, 0, 0)): _bits(8),
    (_RGB, 6, (2, 0, 0)): _bits(8),
    (_PALETTE, 1, ()): _bits(1, 2, 4, 8),
    (_PALETTE, 2, (0,)): _bits(8),
    (_PALETTE, 2, (2,)): _bits(8),
    (_CMYK, 4, ()): _bits(8, 16),
    (_CMYK, 5, (0,)): _bits(8),
    (_CMYK, 6, (0, 0)): _bits(8),
    (_YCBCR, 3, ()): _bits(8),
    (_LAB, 3, ()): _bits(8),
}
_PLANAR_COMPRESSED: _Bits = {
    (_RGB, 3, ()): _bits(8, 16),
    (_RGB, 4, (0,)): _bits(8, 16),
    (_RGB, 4, (1,)): _bits(8, 16),
    (_RGB, 4, (2,)): _bits(8, 16),
    (_RGB, 5, (0, 0)): _bits(8, 16),
    (_MIN_IS_BLACK, 2, (0,)): _bits(8, 16),
    (_CMYK, 4, ()): _bits(8, 16),
    (_CMYK, 5, (0,)): _bits(8, 16),
}
_PLANAR_RAW: _Bits = {
    (_RGB, 3, ()): _bits(8),
    (_RGB, 4, (2,)): _bits(8),
    (_CMYK, 4, ()): _bits(8),
}
_PLANAR_ALONE_RAW: _Bits = {
    (_MIN_IS_BLACK, 1, ()): _bits(1, 8),
    (_PALETTE, 1, ()): _bits(8),
}
"""One channel, said to be stored after no other one."""

_LITTLE_ENDIAN_ONLY = {(_MIN_IS_WHITE, 16), (_MIN_IS_BLACK, 12), (_MIN_IS_BLACK, 32)}
_REVERSED_RAW: _Bits = {
    (_MIN_IS_WHITE, 1, ()): _bits(1, 2, 4),
    (_MIN_IS_BLACK, 1, ()): _bits(1, 2, 4, 8),
    (_RGB, 3, ()): _bits(8),
    (_PALETTE, 1, ()): _bits(8),
}
"""Read right without compression where the bits of a byte come in reverse."""

_REVERSED: _Bits = {**_REVERSED_RAW, (_PALETTE, 1, ()): _bits(1, 2, 4, 8), (_MIN_IS_WHITE, 1, ()): _bits(1, 2, 4, 8)}


def check_layout(tiff: TiffDirectory, path: Path) -> None:
    """Refuse a TIFF whose samples would not be read right.

    Raises:
        BadInputError: With the reason, and what to save instead.
    """
    if len(set(tiff.bits)) > 1:
        raise _refusal(path, f"channels of different depths ({', '.join(map(str, tiff.bits))} bits)")
    if tiff.sample_formats != (_UNSIGNED,) and not _signed_grey(tiff):
        raise _refusal(path, _number_reason(tiff))
    if tiff.compression in _FAX:
        raise _refusal(path, "fax compression, whose damage cannot be told,", "save it uncompressed, or with LZW")
    if tiff.compression not in _COMPRESSIONS:
        raise _refusal(path, f"compression {tiff.compression}", "save it uncompressed, or with LZW or Deflate")
    if tiff.photometric == _YCBCR and tiff.compression != _JPEG and not _plain_ycbcr(tiff):
        raise _refusal(path, "YCbCr that is subsampled, or compressed other than as JPEG,", "save it as RGB")
    if tiff.planar and not _allowed(_planar(tiff), tiff):
        raise _refusal(path, f"planar {_described(tiff)}", "save it with interleaved channels")
    if not tiff.planar and not _allowed(_INTERLEAVED, tiff):
        raise _refusal(path, _described(tiff))
    if tiff.compression == _JPEG and (tiff.bits[0] != 8 or tiff.planar):
        raise _refusal(path, f"JPEG compression of {'planar ' if tiff.planar else ''}{_described(tiff)}")
    if tiff.big_endian and not _big_endian_read(tiff):
        raise _refusal(path, f"{_described(tiff)} in big-endian order", "save it in little-endian order")
    if tiff.fill_order != 1 and not _allowed(_reversed(tiff), tiff):
        raise _refusal(path, f"{_described(tiff)} with the bits of its bytes in reverse", "save it with FillOrder 1")


def _refusal(path: Path, reason: str, hint: str = "save it as 8-bit or 16-bit RGB or grey") -> BadInputError:
    return BadInputError(f"{path}: a TIFF of {reason} is not read", hint=hint)


def _number_reason(tiff: TiffDirectory) -> str:
    if tiff.sample_formats == (_SIGNED,):
        return "signed samples, which have no defined black and white,"
    if tiff.sample_formats == (_FLOAT,):
        return "floating-point samples, which have no defined white,"
    return f"sample format {', '.join(map(str, tiff.sample_formats))}"


def _described(tiff: TiffDirectory) -> str:
    colours = _COLOURS.get(tiff.photometric, f"photometric interpretation {tiff.photometric}")
    extra = " and ".join(_EXTRA.get(kind, f"extra sample {kind}") for kind in tiff.extra)
    channels = "" if tiff.extra else f" of {tiff.samples} channel{'s' * (tiff.samples > 1)}"
    return f"{tiff.bits[0]}-bit {colours}{' with ' + extra if extra else channels}"


def _signed_grey(tiff: TiffDirectory) -> bool:
    """Whether samples are signed, of 32 bits, which are read where none is negative or beyond 65,535."""
    return (tiff.sample_formats, tiff.photometric, tiff.bits) == ((_SIGNED,), _MIN_IS_BLACK, (32,))


def _big_endian_read(tiff: TiffDirectory) -> bool:
    """Whether "MM" is understood; signed samples come with their bytes swapped once libtiff has decompressed them."""
    if _signed_grey(tiff):
        return tiff.compression == _NONE
    return (tiff.photometric, tiff.bits[0]) not in _LITTLE_ENDIAN_ONLY


def _plain_ycbcr(tiff: TiffDirectory) -> bool:
    """Whether samples lie in the file like RGB's: where libtiff converts them, what is missing stays black."""
    return tiff.compression == _NONE and tiff.subsampling[:2] == (1, 1)


def _allowed(bits: _Bits, tiff: TiffDirectory) -> bool:
    return tiff.bits[0] in bits.get((tiff.photometric, tiff.samples, tiff.extra), ())


def _planar(tiff: TiffDirectory) -> _Bits:
    if tiff.compression == _NONE:
        return _PLANAR_ALONE_RAW if tiff.samples == 1 else _PLANAR_RAW
    return _INTERLEAVED if tiff.samples == 1 else _PLANAR_COMPRESSED


def _reversed(tiff: TiffDirectory) -> _Bits:
    if tiff.compression == _NONE:
        return {} if tiff.planar else _REVERSED_RAW
    return {} if tiff.planar and tiff.samples > 1 else _REVERSED
