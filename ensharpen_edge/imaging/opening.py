"""Pillow's readers, without its limit on pixels.

`Image.open` compares every picture with `Image.MAX_IMAGE_PIXELS`, which belongs to the whole process: to raise it for a
large photograph would change what other threads are allowed, and two readers at once could leave it changed. Limits of
our own (`imaging.limits`) have been checked from the header, so the readers are called directly, and the two that ask
Pillow's limit themselves are given what spares them the question.
"""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

from PIL import Image, ImageFile, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

from ensharpen_edge.imaging.headers import Header

_WEBP_SIGNATURE = 16


class NotThisFormatError(Exception):
    """A file is not what its signature says."""


def opened(stream: BinaryIO, header: Header) -> ImageFile.ImageFile:
    """Open the picture of a stream; its pixels are decoded by the `load` method, its first frame is chosen.

    Args:
        stream: The whole file, which must stay open until the pixels are decoded.
        header: Header of this file, within all limits.

    Raises:
        NotThisFormatError: The file is not of the header's format after all.
    """
    stream.seek(0)
    try:
        if header.format == "JPEG":
            return JpegImagePlugin.jpeg_factory(stream, "")
        if header.format == "PNG":
            return PngImagePlugin.PngImageFile(stream, "")
        if header.format == "WEBP":
            return WebPImagePlugin.WebPImageFile(_InPieces(stream.read()), "")
        return _tiff(stream, header)
    except (SyntaxError, IndexError, TypeError, struct.error) as error:  # how plugins say that a file is not theirs
        raise NotThisFormatError(str(error)) from error


def _tiff(stream: BinaryIO, header: Header) -> ImageFile.ImageFile:
    """A TIFF asks for the limit when it makes room for its pixels: it finds them made."""
    image = TiffImagePlugin.TiffImageFile(stream, "")
    image.im = Image.new(image.mode, (header.width, header.height), None).im
    return image


class _InPieces(io.BytesIO):
    """A WebP's content, of which the first read gives no more than the signature.

    Streams may give less than they are asked for. Pillow asks for the limit only where this read brings the size, too.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        first = self.tell() == 0 and size is not None and size >= 0
        return super().read(min(size or 0, _WEBP_SIGNATURE) if first else size)
