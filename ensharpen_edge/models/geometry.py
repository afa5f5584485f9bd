"""How far a student sees: receptive field and tile halo, computed from its configuration alone."""

from __future__ import annotations

from dataclasses import dataclass

from ensharpen_edge.models.config import WINDOW, StudentConfig


@dataclass(frozen=True)
class Geometry:
    """Geometry of a network, in input pixels: all that exact tiling needs.

    Attributes:
        total_stride: Tile origins and network inputs must be multiples of this.
        receptive_radius: Largest distance between an output pixel and an input pixel it depends on.
        halo: Context that a tile with stride-aligned edges needs on each side; a multiple of `total_stride`. It can
            be smaller than `receptive_radius`, because the pixels that look farthest are never at the tile's edge
            on the side they look to.
        tile_exact: Whether tiles can equal the whole frame at all; a gate that looks at the whole frame makes it
            impossible, and radius and halo then leave that gate out.
    """

    total_stride: int
    receptive_radius: int
    halo: int
    tile_exact: bool = True


def _reach(config: StudentConfig, low: int, high: int) -> tuple[int, int]:
    """Return the input interval [low, high) that the output interval [low, high) depends on.

    Walks the longest path (through the bottleneck) backwards; the skip paths are contained in it. A 3x3 convolution
    widens by one pixel a side, a PixelShuffle divides outward by 2, a stride-2 2x2 convolution multiplies by 2.
    """
    e1, e2, middle, d2, d1 = config.depths

    def shrink(a: int, b: int) -> tuple[int, int]:
        return a // 2, -(-b // 2)

    def enlarged_from(a: int, b: int) -> tuple[int, int]:
        """Return the positions that an upsampling looks at; bilinear interpolation takes the nearer neighbour, too."""
        return ((a - 1) // 2, b // 2 + 1) if config.upsampling == "bilinear" else shrink(a, b)

    def align(a: int, b: int) -> tuple[int, int]:
        return a // WINDOW * WINDOW, -(-b // WINDOW) * WINDOW

    low, high = shrink(low, high)
    low, high = low - (1 + d1), high + (1 + d1)
    low, high = enlarged_from(low, high)
    low, high = low - d2, high + d2
    low, high = enlarged_from(low, high)
    nearby = int(config.estimator) + int(config.attention == "spatial")
    low, high = low - nearby, high + nearby
    if config.attention == "block" or config.windows:
        low, high = align(low, high)
    low, high = low - middle, high + middle
    low, high = 2 * low - e2, 2 * high + e2
    low, high = 2 * low - (e1 + 1), 2 * high + (e1 + 1)
    return 2 * low, 2 * high


def geometry(config: StudentConfig) -> Geometry:
    """Return the tiling geometry of a student."""
    stride = config.total_stride
    radius = 0
    for x in range(stride):
        low, high = _reach(config, x, x + 1)
        radius = max(radius, x - low, high - 1 - x)
    low, high = _reach(config, 0, stride)
    reach = max(-low, high - stride)
    halo = -(-reach // stride) * stride
    return Geometry(stride, radius, halo, tile_exact=config.attention != "channel")
