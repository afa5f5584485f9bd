"""A decoded photograph."""

from __future__ import annotations

from dataclasses import dataclass

from ensharpen_edge.arrays import U8


@dataclass(frozen=True)
class Photo:
    """Pixels and what must survive the trip through a network.

    Attributes:
        rgb: uint8 (H, W, 3), upright (EXIF orientation applied), sRGB or in the space of `icc`.
        alpha: uint8 (H, W), or None. It is passed through, not sharpened.
        grey: The file had one colour channel; it is written with one again.
        icc: Embedded ICC profile that still describes `rgb`, or None.
        exif: EXIF block without the orientation tag, or None.
        notes: What had to be changed while decoding, one sentence each.
    """

    rgb: U8
    alpha: U8 | None = None
    grey: bool = False
    icc: bytes | None = None
    exif: bytes | None = None
    notes: tuple[str, ...] = ()

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.rgb.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.rgb.shape[1])

    @property
    def megapixels(self) -> float:
        """Pixels in millions."""
        return self.height * self.width / 1e6
