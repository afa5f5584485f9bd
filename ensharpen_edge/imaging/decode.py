"""Files to `Photo`: every colour mode ends as upright 8-bit RGB plus optional alpha."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, ImageOps, TiffImagePlugin

from ensharpen_edge.arrays import U8
from ensharpen_edge.errors import BadInputError, EnsharpenError
from ensharpen_edge.imaging.headers import Header, read_header
from ensharpen_edge.imaging.limits import check_limits
from ensharpen_edge.imaging.opening import NotThisFormatError, opened
from ensharpen_edge.imaging.photo import Photo
from ensharpen_edge.imaging.tiff_layout import check_layout
from ensharpen_edge.imaging.tiff_segments import check_segments, is_libtiff_failure

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff")
"""File name endings that are read and written."""

_GREY_MODES = {"1", "L", "LA", "La"}
_ALPHA_MODES = {"RGBA", "LA", "PA", "RGBa", "La"}
_BAND = 1 << 20
"""Pixels that are converted at once; what one takes meanwhile, up to 40 bytes, is not taken for the whole picture."""

_BITS, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0
"""TIFF 6.0 tags, and the value of the second for negatives."""

_SIXTEEN_BIT = {"I;16", "I;16L", "I;16B", "I;16N", "I"}
_ORIENTATION = 0x0112
_DESCRIPTIVE_TAGS = tuple(
    ExifTags.Base[name] for name in ("ImageDescription", "Make", "Model", "Software", "DateTime", "Artist", "Copyright")
)


def read_photo(path: Path) -> Photo:
    """Decode a photograph.

    EXIF orientation is applied, palettes are expanded, CMYK is converted (through its embedded profile when there is
    one), 16-bit samples are reduced to 8 bits. Of several frames the first is taken.

    Raises:
        BadInputError: Missing, a folder, not an image, truncated, too large, or a mode without a defined range.
    """
    if path.is_dir():
        raise BadInputError(f"{path}: is a folder, not a photograph", hint="name the files in it")
    if not path.exists():
        raise BadInputError(f"{path}: no such file")
    if not path.is_file():
        raise BadInputError(f"{path}: is not a file")
    try:
        stream = path.open("rb")
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read ({error.strerror})") from error
    with stream:
        return _read(stream, path)


def decode_photo(content: bytes, name: Path) -> Photo:
    """`read_photo` for a file's bytes; `name` stands in messages.

    Raises:
        BadInputError: As `read_photo`.
    """
    return _read(io.BytesIO(content), name)


def _read(stream: BinaryIO, path: Path) -> Photo:
    try:
        header = read_header(stream, path)
        if header is None:
            raise NotThisFormatError
        check_limits(header, path)
        if header.tiff is not None:
            check_layout(header.tiff, path)
            check_segments(header.tiff, stream, path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on slightly damaged files
            with opened(stream, header) as image:
                sixteen_bit = any(";16" in str(tile[3]) for tile in getattr(image, "tile", []))
                image.load()
                return _to_photo(image, path, header, sixteen_bit=sixteen_bit)
    except NotThisFormatError as error:
        reason = "not an image of a readable format" if stream.seek(0, io.SEEK_END) else "the file is empty"
        raise BadInputError(f"{path}: {reason}", hint=f"readable: {', '.join(SUFFIXES)}") from error
    except (EnsharpenError, MemoryError):
        raise
    except Exception as error:  # a damaged file can make Pillow's parsers raise nearly anything
        reason = f"damaged or unsupported image ({type(error).__name__}: {error})"
        if is_libtiff_failure(error):
            reason = "the picture is not whole: a strip or tile is damaged or cut off"
        raise BadInputError(f"{path}: {reason}") from error


def _to_photo(image: Image.Image, path: Path, header: Header, *, sixteen_bit: bool) -> Photo:
    notes: list[str] = []
    tags = dict(image.tag_v2) if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    frames = header.frames if header.tiff else getattr(image, "n_frames", 1)  # Pillow parses every one of a TIFF
    if frames > 1:
        notes.append(f"{frames} frames, only the first was used")
    if sixteen_bit or image.mode in _SIXTEEN_BIT:
        notes.append("16-bit samples were reduced to 8 bits")
    icc, from_tiff, transparency = image.info.get("icc_profile"), image.format == "TIFF", image.info.get("transparency")
    try:
        if image.getexif().get(_ORIENTATION, 1) != 1:
            image = ImageOps.exif_transpose(image)
        exif = _exif_bytes(image, described_only=from_tiff)
    except Exception as error:  # the pixels are good: broken EXIF costs only the EXIF
        notes.append(f"unreadable EXIF was dropped ({type(error).__name__}: {error})")
        exif = None

    grey = image.mode in _GREY_MODES
    if image.mode in _SIXTEEN_BIT:
        rgb, opaque = _sixteen_bit_to_rgb(np.asarray(image), tags, transparency, path)
        return Photo(rgb, opaque, True, icc, exif, tuple(notes))
    if image.mode == "F":
        raise BadInputError(f"{path}: floating-point samples have no defined white", hint="convert to 16-bit first")
    if image.mode == "CMYK":
        notes.append("CMYK was converted to sRGB")
        return Photo(_samples(_cmyk_to_rgb(image, icc), "RGB"), None, False, None, exif, tuple(notes))
    if image.mode in {"LAB", "HSV", "YCbCr"}:
        icc = None
    alpha = None
    if image.mode in _ALPHA_MODES or transparency is not None:
        plane = _samples(image, "RGBA", 3)
        alpha = plane if plane.min() < 255 else None
    return Photo(_samples(image, "RGB"), alpha, grey, icc, exif, tuple(notes))


def _samples(image: Image.Image, mode: str, channel: int | None = None) -> U8:
    """The picture in another mode, uint8 (H, W, C), or one channel of it, (H, W).

    Bands of rows are converted one after the other: Pillow's own way holds the picture three times more.
    """
    width, height = image.size
    taken: tuple[Any, ...] = (...,) if channel is None else (..., channel)
    samples = np.empty((height, width, len(mode)), np.uint8) if channel is None else np.empty((height, width), np.uint8)
    rows = max(1, _BAND // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        # Cut out by `resize` at the same size: `crop` asks for the limit on pixels of the whole process.
        band = image.resize((width, bottom - top), Image.Resampling.NEAREST, box=(0, top, width, bottom))
        samples[top : top + rows] = np.asarray(band if band.mode == mode else band.convert(mode))[taken]
    return samples


def _exif_bytes(image: Image.Image, *, described_only: bool) -> bytes | None:
    """The EXIF block; of a TIFF, whose tags also say where its strips lie, only those that describe the picture."""
    source = image.getexif()
    if not described_only:
        return source.tobytes() if len(source) else None
    exif = Image.Exif()
    for tag in _DESCRIPTIVE_TAGS:
        if tag in source:
            exif[tag] = source[tag]
    for directory in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        if values := source.get_ifd(directory):
            exif.get_ifd(directory).update(values)
    return exif.tobytes() if len(exif) else None


def _full_range(samples: NDArray[Any], tags: Mapping[int, Any]) -> NDArray[Any]:
    """16-bit samples that Pillow passes on as a TIFF stores them: of 12 bits, say, or of a negative."""
    (bits, *_) = tags.get(_BITS, (16,))
    white = (1 << bits) - 1 if 8 < bits < 16 else 65535
    values = samples.astype(np.int64)
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        values = white - values
    return values if white == 65535 else (values * 65535 + white // 2) // white


def _sixteen_bit_to_rgb(
    samples: NDArray[Any], tags: Mapping[int, Any], transparent: int | None, path: Path
) -> tuple[U8, U8 | None]:
    """Grey as three equal channels, uint8 (H, W, 3), and the alpha plane where a sample value is transparent.

    Bands of rows are reduced one after the other, because the arithmetic needs many times the memory of the picture.
    """
    rgb = np.empty((*samples.shape, 3), np.uint8)
    opaque = None if transparent is None else np.empty(samples.shape, np.uint8)
    rows = max(1, _BAND // samples.shape[1])
    for top in range(0, len(samples), rows):
        band = slice(top, top + rows)
        values = _full_range(samples[band], tags)
        if values.min() < 0 or values.max() > 65535:
            raise BadInputError(f"{path}: 32-bit samples beyond 0..65535", hint="convert to 16-bit first")
        rgb[band] = ((values + 128) // 257).astype(np.uint8)[:, :, None]
        if opaque is not None:
            opaque[band] = np.where(values == transparent, 0, 255)
    return rgb, opaque


def _cmyk_to_rgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    if icc:
        try:
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(icc)),
                ImageCms.createProfile("sRGB"),
                outputMode="RGB",
            )
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass  # a broken profile: fall through to the profile-less formula
    return image.convert("RGB")
