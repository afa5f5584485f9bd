"""Probe images that every rung of the parity ladder is measured on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ensharpen_edge.arrays import F32
from ensharpen_edge.imaging.bundled import WINDOWS, bundled_photos
from ensharpen_edge.imaging.crops import centre_crop
from ensharpen_edge.imaging.planes import to_planes
from ensharpen_edge.imaging.synthetic import synthetic_images
from ensharpen_edge.runtime.tiling import round_up

SHAPES = (*WINDOWS, (8, 8))
"""(height, width) that the ladder runs at: square, wide, tall, and the smallest legal one."""

_SMALLEST_PHOTO = 64


@dataclass(frozen=True)
class Probe:
    """A named float32 (1, 3, H, W) image in [0, 1].

    Attributes:
        name: Shown in reports.
        image: The pixels.
        stress: Whether it is no photograph, but a synthetic image, or a scrap of a few pixels; 8-bit codes, calibrated
            on photographs, may lose more on them.
    """

    name: str
    image: F32
    stress: bool = False


def parity_probes(height: int, width: int) -> list[Probe]:
    """Return photographs and the synthetic images that break converters: flat, extreme, saturated, Nyquist."""
    scrap = min(height, width) < _SMALLEST_PHOTO
    probes = [
        Probe(f"photo-{name}", to_planes(centre_crop(photo, height, width)), scrap) for name, photo in bundled_photos()
    ]
    probes += [Probe(name, to_planes(image), True) for name, image in synthetic_images(height, width).items()]
    return probes


def ladder_probes(sizes: Sequence[tuple[int, int]], stride: int) -> list[Probe]:
    """Return the probes of every size.

    Args:
        sizes: (height, width) of each; none for `SHAPES`, rounded up to the stride.
        stride: Sides that a network takes are multiples of it.
    """
    shapes = sizes or [(round_up(height, stride), round_up(width, stride)) for height, width in SHAPES]
    return [replace(probe, image=fit_image(probe.image, shape)) for shape in shapes for probe in parity_probes(*shape)]


def fit_image(image: F32, size: tuple[int, int]) -> F32:
    """Return a (1, 3, H, W) image in another size: cut at the bottom and right, or mirrored there."""
    image = image[:, :, : size[0], : size[1]]
    missing = ((0, 0), (0, 0), (0, size[0] - image.shape[2]), (0, size[1] - image.shape[3]))
    return np.ascontiguousarray(np.pad(image, missing, mode="reflect"))
