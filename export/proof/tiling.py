"""The written file, tile by tile against the whole frame: exactness is measured, not assumed."""

from __future__ import annotations

import numpy as np

from ensharpen_edge.arrays import U8
from ensharpen_edge.artifact import Artifact
from ensharpen_edge.errors import ParityError
from ensharpen_edge.imaging.bundled import bundled_photos
from ensharpen_edge.runtime.engines.base import Engine
from ensharpen_edge.runtime.pipeline import AUTO_TILE, plan_for, sharpen_frame

TILES = (64, 128, 256)
"""Tile sides that a dynamic artifact is tried with, on a small frame."""

LARGE_FRAME = (1000, 1400)
"""(height, width) of a frame that `auto` still runs as one window. It is cut into tiles of `AUTO_TILE` as well, so that
windows of the sizes that photographs meet are looked at."""


def check_tiling(engine: Engine, artifact: Artifact) -> tuple[int, ...]:
    """Sharpen a frame of photographs whole and in tiles.

    A file of one fixed size has no whole to compare with: there two cuts of the frame, one shifted by a stride, must
    agree where they overlap.

    Returns:
        The tile sides that cut a frame and gave the same bits.

    Raises:
        ParityError: Some tile side did not.
    """
    shape = artifact.manifest.shape
    if shape.height is not None and shape.width is not None:
        return _check_fixed(engine, artifact, shape.height, shape.width)
    tried = _check_sides(engine, artifact, _frame(), TILES)
    if shape.largest is None:
        tried += _check_sides(engine, artifact, large_frame(), (AUTO_TILE,))
    return tried


def _check_sides(engine: Engine, artifact: Artifact, frame: U8, sides: tuple[int, ...]) -> tuple[int, ...]:
    whole = _sharpen(engine, artifact, frame, None)
    tried = []
    for tile in sides:
        if len(plan_for(artifact, frame.shape[0], frame.shape[1], tile)) > 1:
            _demand_equal(_sharpen(engine, artifact, frame, tile), whole, f"tiles of {tile}")
            tried.append(tile)
    return tuple(tried)


def _check_fixed(engine: Engine, artifact: Artifact, height: int, width: int) -> tuple[int, ...]:
    shape = artifact.manifest.shape
    frame = _filled(2 * height, 2 * width)
    enlarges = artifact.manifest.io.enlarges
    shift, edge = shape.multiple_of, shape.halo * enlarges
    start = shift * enlarges + edge
    first = _sharpen(engine, artifact, frame, None)[start:, start:]
    second = _sharpen(engine, artifact, frame[shift:, shift:], None)[edge:, edge:]
    _demand_equal(second, first, f"windows of {height}x{width}")
    return (min(height, width),)


def _sharpen(engine: Engine, artifact: Artifact, frame: U8, tile: int | None) -> U8:
    plan = plan_for(artifact, frame.shape[0], frame.shape[1], "off" if tile is None else tile)
    return sharpen_frame(engine, artifact.manifest.io, plan, frame)[0]


def _demand_equal(tiled: U8, whole: U8, what: str) -> None:
    if not np.array_equal(tiled, whole):
        count = int(np.count_nonzero(tiled != whole))
        raise ParityError(f"{what} change {count} of {whole.size} code values", hint="the halo is too small")


def large_frame() -> U8:
    """Return uint8 (*LARGE_FRAME, 3) of photographs."""
    return _filled(*LARGE_FRAME)


def _filled(height: int, width: int) -> U8:
    """(height, width, 3): photographs side by side, until it is full."""
    frame = _frame()
    return np.tile(frame, (-(-height // frame.shape[0]), -(-width // frame.shape[1]), 1))[:height, :width]


def _frame() -> U8:
    photos = [photo for _, photo in bundled_photos()]
    return np.concatenate([np.concatenate(photos[:2], axis=1), np.concatenate(photos[2:4], axis=1)], axis=0)
