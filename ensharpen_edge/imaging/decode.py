"""Files to `Photo`: every colour mode ends as upright 8-bit RGB plus optional alpha."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from ensharpen_edge.errors import BadInputError
from ensharpen_edge.imaging.photo import U8, Photo

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff")
"""File name endings that are read and written."""

_ALPHA_MODES = {"RGBA", "LA", "PA", "RGBa", "La"}
_SIXTEEN_BIT = {"I;16", "I;16L", "I;16B", "I;16N", "I"}
_ORIENTATION = 0x0112
_DESCRIPTIVE_TAGS = tuple(
    ExifTags.Base[name] for name in ("ImageDescription", "Make", "Model", "Software", "DateTime", "Artist", "Copyright")
)


def read_photo(path: Path) -> Photo:
    """Decode a photograph.

    EXIF orientation is applied, palettes are expanded, CMYK is converted (through its embedded profile when there is
    one), 16-bit samples are rounded to 8 bits. Of several frames the first is taken.

    Raises:
        BadInputError: Missing, a folder, not an image, truncated, too large, or a mode without a defined range.
    """
    if path.is_dir():
        raise BadInputError(f"{path}: is a folder, not a photograph", hint="name the files in it")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                image.load()
                return _to_photo(image, path)
    except FileNotFoundError as error:
        raise BadInputError(f"{path}: no such file") from error
    except UnidentifiedImageError as error:
        size = path.stat().st_size
        reason = "the file is empty" if size == 0 else "not an image that Pillow can read"
        raise BadInputError(f"{path}: {reason}", hint=f"readable: {', '.join(SUFFIXES)}") from error
    except Image.DecompressionBombError as error:
        raise BadInputError(f"{path}: more pixels than Pillow's safety limit ({error})") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise BadInputError(f"{path}: damaged or unsupported image ({error})") from error


def _to_photo(image: Image.Image, path: Path) -> Photo:
    notes: list[str] = []
    if getattr(image, "n_frames", 1) > 1:
        notes.append(f"{image.n_frames} frames, only the first was used")  # type: ignore[attr-defined]
    icc = image.info.get("icc_profile")
    from_tiff = image.format == "TIFF"
    if image.getexif().get(_ORIENTATION, 1) != 1:
        image = ImageOps.exif_transpose(image)
    exif = _exif_bytes(image, described_only=from_tiff)

    alpha = None
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        rgba = image.convert("RGBA")
        plane: U8 = np.array(rgba.getchannel("A"))
        if plane.min() < 255:
            alpha = plane
        grey = image.mode in {"LA", "La"}
        return Photo(np.asarray(rgba.convert("RGB")), alpha, grey, icc, exif, tuple(notes))
    if image.mode in _SIXTEEN_BIT:
        notes.append("16-bit samples were rounded to 8 bits")
        return Photo(_sixteen_bit_to_rgb(image, path), None, True, None, exif, tuple(notes))
    if image.mode == "F":
        raise BadInputError(f"{path}: floating-point samples have no defined white", hint="convert to 16-bit first")
    if image.mode == "CMYK":
        notes.append("CMYK was converted to sRGB")
        return Photo(np.asarray(_cmyk_to_rgb(image, icc)), None, False, None, exif, tuple(notes))
    if image.mode in {"LAB", "HSV", "YCbCr"}:
        icc = None
    grey = image.mode in {"L", "1"}
    return Photo(np.asarray(image.convert("RGB")), None, grey, icc, exif, tuple(notes))


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


def _sixteen_bit_to_rgb(image: Image.Image, path: Path) -> U8:
    values = np.asarray(image).astype(np.int64)
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
        except ImageCms.PyCMSError:
            pass  # a broken profile: fall through to the profile-less formula
    return image.convert("RGB")
