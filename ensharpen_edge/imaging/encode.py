"""`Photo` to files, written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from ensharpen_edge.errors import BadInputError, UsageError
from ensharpen_edge.files import whole_file
from ensharpen_edge.imaging.photo import Photo

_FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".png": ("PNG", {"compress_level": 4}),
    ".webp": ("WEBP", {"quality": 95, "method": 4}),
    ".tif": ("TIFF", {"compression": "tiff_lzw"}),
    ".tiff": ("TIFF", {"compression": "tiff_lzw"}),
}

_LARGEST_JPEG_EXIF = 65533


def check_writable(path: Path) -> None:
    """Raises `UsageError` when the file name's ending is not of a format that is written."""
    if path.suffix.lower() not in _FORMATS:
        raise UsageError(f"{path}: cannot write this format", hint=f"use one of {', '.join(_FORMATS)}, or --format")


def write_photo(photo: Photo, path: Path) -> tuple[str, ...]:
    """Encode by the file name's ending: JPEG (quality 95, 4:4:4), PNG, WebP (quality 95), TIFF (LZW; uncompressed when
    there is EXIF to keep).

    JPEG has no alpha: transparent pixels are laid over white.

    Returns:
        What the format could not hold, a sentence each.

    Raises:
        UsageError: An ending that is not written.
        BadInputError: The folder cannot be written to, or the disk is full.
    """
    check_writable(path)
    name, options = _FORMATS[path.suffix.lower()]
    image = to_image(photo, allow_alpha=name != "JPEG")
    notes = []
    if photo.alpha is not None and name == "JPEG":
        notes.append("JPEG has no transparency: it was laid over white")
    if photo.icc and _describes(photo.icc, image.mode if name != "WEBP" else "RGB"):
        options = {**options, "icc_profile": photo.icc}
    elif photo.icc:
        notes.append("the grey colour profile was left out: this format stores colours")
    exif = _exif_of_this_size(photo.exif, image.size) if photo.exif else None
    if exif:
        options = {**options, "exif": exif}
        if name == "TIFF":
            options["compression"] = "raw"  # libtiff, which compresses, cannot write EXIF's own directory
    if name == "JPEG" and exif and len(exif) > _LARGEST_JPEG_EXIF:
        del options["exif"]  # the pixels matter more
        notes.append("EXIF of more than 64 KiB was left out: JPEG holds no more")
    try:
        with whole_file(path) as temporary:
            image.save(temporary, format=name, **options)
    except MemoryError:
        raise
    except Exception as error:  # Pillow's encoders raise OSError, ValueError, RuntimeError, struct.error
        raise BadInputError(f"{path}: cannot write the picture ({error})") from error
    return tuple(notes)


def _describes(icc: bytes, mode: str) -> bool:
    """Whether a profile is of the kind of colours that a mode stores; one that cannot be read is passed on as it is."""
    space = icc[16:20]  # ICC.1:2022, 7.2.8: data colour space
    return space != b"GRAY" or mode in ("L", "LA")


def _exif_of_this_size(block: bytes, size: tuple[int, int]) -> bytes:
    """The block, with the picture's width and height where it states any: it may have been turned or enlarged since."""
    exif = Image.Exif()
    exif.load(block)
    camera = exif.get_ifd(ExifTags.IFD.Exif)
    stale = False
    for tags, names in ((exif, ("ImageWidth", "ImageLength")), (camera, ("ExifImageWidth", "ExifImageHeight"))):
        for name, length in zip(names, size, strict=True):
            tag = ExifTags.Base[name]
            if tags.get(tag, length) != length:
                tags[tag], stale = length, True
    return exif.tobytes() if stale else block


def to_image(photo: Photo, *, allow_alpha: bool = True) -> Image.Image:
    """Return a photograph's pixels in mode L, LA, RGB or RGBA; without `allow_alpha` they are laid over white."""
    image = Image.fromarray(photo.rgb)
    if photo.grey:
        # The network may leave the three channels a code value apart: their mean, not one of them, is the grey.
        image = Image.fromarray(np.rint(photo.rgb.mean(axis=2, dtype=np.float32)).astype(np.uint8))
    if photo.alpha is None:
        return image
    alpha = Image.fromarray(photo.alpha)
    if allow_alpha:
        image.putalpha(alpha)
        return image
    return Image.composite(image, Image.new(image.mode, image.size, "white"), alpha)
