"""Probe images: what every rung of the parity ladder and the release gate are measured on."""

from __future__ import annotations

from dataclasses import dataclass

from ensharpen_edge.imaging.bundled import bundled_photos
from ensharpen_edge.imaging.photo import U8
from ensharpen_edge.imaging.planes import to_planes
from ensharpen_edge.imaging.synthetic import synthetic_images
from ensharpen_edge.runtime.engine import F32

SHAPES = ((128, 128), (64, 200), (192, 72), (8, 8))
"""(height, width) that the ladder runs at: square, wide, tall, and the smallest legal one."""

_SMALLEST_PHOTO = 64


@dataclass(frozen=True)
class Probe:
    """A named float32 (1, 3, H, W) image in [0, 1].

    Attributes:
        name, image: What it is.
        stress: No photograph, but a synthetic image, or a scrap of a few pixels; 8-bit codes, calibrated on
            photographs, may lose more on them.
    """

    name: str
    image: F32
    stress: bool = False


def parity_probes(height: int, width: int) -> list[Probe]:
    """Photographs and the synthetic images that break converters: flat, extreme, saturated, Nyquist."""
    scrap = min(height, width) < _SMALLEST_PHOTO
    probes = [Probe(f"photo-{name}", to_planes(_crop(photo, height, width)), scrap) for name, photo in bundled_photos()]
    probes += [Probe(name, to_planes(image), True) for name, image in synthetic_images(height, width).items()]
    return probes


def _crop(photo: U8, height: int, width: int) -> U8:
    top = max(0, (photo.shape[0] - height) // 2)
    left = max(0, (photo.shape[1] - width) // 2)
    return photo[top : top + height, left : left + width]
