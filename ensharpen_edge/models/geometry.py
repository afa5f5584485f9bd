"""How far a student sees: receptive field and tile halo, computed from its configuration alone."""

from __future__ import annotations

from dataclasses import dataclass

from ensharpen_edge.models.config import TOTAL_STRIDE, StudentConfig


@dataclass(frozen=True)
class Geometry:
    """What exact tiling needs to know of a network, in input pixels.

    Attributes:
        total_stride: Tile origins and network inputs must be multiples of this.
        receptive_radius: Largest distance between an output pixel and an input pixel it depends on.
        halo: Context that a tile with stride-aligned edges needs on each side; a multiple of `total_stride`. It can
            be smaller than `receptive_radius`, because the pixels that look farthest are never at the tile's edge
            on the side they look to.
    """

    total_stride: int
    receptive_radius: int
    halo: int


def _reach(config: StudentConfig, low: int, high: int) -> tuple[int, int]:
    """Input interval [low, high) that the output interval [low, high) depends on.

    Walks the longest path (through the bottleneck) backwards; the skip paths are contained in it. A 3x3 convolution
    widens by one pixel a side, a PixelShuffle divides outward by 2, a stride-2 2x2 convolution multiplies by 2.
    """
    e1, e2, middle, d2, d1 = config.depths

    def shrink(a: int, b: int) -> tuple[int, int]:
        return a // 2, -(-b // 2)

    low, high = shrink(low, high)
    low, high = low - (1 + d1), high + (1 + d1)
    low, high = shrink(low, high)
    low, high = low - d2, high + d2
    low, high = shrink(low, high)
    low, high = low - middle, high + middle
    low, high = 2 * low - e2, 2 * high + e2
    low, high = 2 * low - (e1 + 1), 2 * high + (e1 + 1)
    return 2 * low, 2 * high


def geometry(config: StudentConfig) -> Geometry:
    """The tiling geometry of a student."""
    radius = 0
    for x in range(TOTAL_STRIDE):
        low, high = _reach(config, x, x + 1)
        radius = max(radius, x - low, high - 1 - x)
    low, high = _reach(config, 0, TOTAL_STRIDE)
    reach = max(-low, high - TOTAL_STRIDE)
    halo = -(-reach // TOTAL_STRIDE) * TOTAL_STRIDE
    return Geometry(TOTAL_STRIDE, radius, halo)
