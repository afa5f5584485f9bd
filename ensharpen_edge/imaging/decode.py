"""Files to `Photo`: every colour mode ends as upright 8-bit RGB plus optional alpha."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, ImageOps, TiffImagePlugin, UnidentifiedImageError

from ensharpen_edge.errors import BadInputError, EnsharpenError
from ensharpen_edge.imaging.photo import U8, Photo

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff")
"""File name endings that are read and written."""

_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF")
_GREY_MODES = {"1", "L", "LA", "La"}
_ALPHA_MODES = {"RGBA", "LA", "PA", "RGBa", "La"}
_MOST_PIXELS = 500_000_000
"""Of a picture: phones take 200 megapixels, and a small file can claim to be any size."""

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
    return _read(path, path)


def decode_photo(content: bytes, name: Path) -> Photo:
    """`read_photo` for a file's bytes; `name` stands in messages.

    Raises:
        BadInputError: As `read_photo`.
    """
    return _read(io.BytesIO(content), name)


def _read(source: Path | io.BytesIO, path: Path) -> Photo:
    try:
        with warnings.catch_warnings(), _pixel_limit():
            warnings.simplefilter("ignore")  # Pillow's remarks on large or slightly damaged files
            with Image.open(source, formats=_FORMATS) as image:
                sixteen_bit = any(";16" in str(tile[3]) for tile in getattr(image, "tile", []))
                image.load()
                return _to_photo(image, path, sixteen_bit=sixteen_bit)
    except UnidentifiedImageError as error:
        empty = not source.getbuffer().nbytes if isinstance(source, io.BytesIO) else path.stat().st_size == 0
        reason = "the file is empty" if empty else "not an image of a readable format"
        raise BadInputError(f"{path}: {reason}", hint=f"readable: {', '.join(SUFFIXES)}") from error
    except Image.DecompressionBombError as error:
        raise BadInputError(f"{path}: more than {_MOST_PIXELS // 1_000_000} megapixels") from error
    except (EnsharpenError, MemoryError):
        raise
    except Exception as error:  # a damaged file can make Pillow's parsers raise nearly anything
        raise BadInputError(f"{path}: damaged or unsupported image ({type(error).__name__}: {error})") from error


@contextmanager
def _pixel_limit() -> Iterator[None]:
    """Pillow refuses pictures of more than twice its limit."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = _MOST_PIXELS // 2
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _to_photo(image: Image.Image, path: Path, *, sixteen_bit: bool) -> Photo:
    notes: list[str] = []
    tags = dict(image.tag_v2) if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    if getattr(image, "n_frames", 1) > 1:
        notes.append(f"{image.n_frames} frames, only the first was used")  # type: ignore[attr-defined]
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
        values = _full_range(np.asarray(image), tags)
        opaque = None if transparency is None else np.where(values == transparency, 0, 255).astype(np.uint8)
        return Photo(_sixteen_bit_to_rgb(values, path), opaque, True, icc, exif, tuple(notes))
    if image.mode == "F":
        raise BadInputError(f"{path}: floating-point samples have no defined white", hint="convert to 16-bit first")
    if image.mode == "CMYK":
        notes.append("CMYK was converted to sRGB")
        return Photo(np.asarray(_cmyk_to_rgb(image, icc)), None, False, None, exif, tuple(notes))
    if image.mode in {"LAB", "HSV", "YCbCr"}:
        icc = None
    alpha = None
    if image.mode in _ALPHA_MODES or transparency is not None:
        image = image.convert("RGBA")
        plane: U8 = np.array(image.getchannel("A"))
        alpha = plane if plane.min() < 255 else None
    return Photo(np.asarray(image.convert("RGB")), alpha, grey, icc, exif, tuple(notes))


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


def _sixteen_bit_to_rgb(samples: NDArray[Any], path: Path) -> U8:
    values = samples.astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise BadInputError(f"{path}: 32-bit samples beyond 0..65535", hint="convert to 16-bit first")
    grey = ((values + 128) // 257).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


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
