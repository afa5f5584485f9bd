"""Probe images: what every rung of the parity ladder and the release gate are measured on."""

from __future__ import annotations

from dataclasses import dataclass

from ensharpen_edge.imaging.bundled import WINDOWS, bundled_photos, centre_window
from ensharpen_edge.imaging.planes import to_planes
from ensharpen_edge.imaging.synthetic import synthetic_images
from ensharpen_edge.runtime.engine import F32

SHAPES = (*WINDOWS, (8, 8))
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
    probes = [
        Probe(f"photo-{name}", to_planes(centre_window(photo, height, width)), scrap)
        for name, photo in bundled_photos()
    ]
    probes += [Probe(name, to_planes(image), True) for name, image in synthetic_images(height, width).items()]
    return probes
