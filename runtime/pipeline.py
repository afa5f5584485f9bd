"""Pixels through an engine: planning, tiling, conversion, and the check that what came out is finite."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ensharpen_edge.artifact import Artifact, IoContract
from ensharpen_edge.errors import QualityError
from ensharpen_edge.imaging.photo import U8, Photo
from ensharpen_edge.runtime.engine import F32, Engine
from ensharpen_edge.runtime.tiling import Span, TilePlan, plan_fixed, plan_tiles

TileChoice = int | Literal["auto", "off"]

AUTO_WHOLE_FRAME = 1_500_000
"""`auto` runs frames up to this many pixels in one piece."""

AUTO_TILE = 768
"""`auto` cuts larger frames into tiles of this side. The halo costs a third more work, but the activations of a window
stay near the cache, so the time is that of the whole frame or better, and memory stays flat."""

_BAND = 32
"""Rows that are rounded at a time."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Timing:
    """Seconds spent on one frame.

    Attributes:
        pre: Cutting, padding, converting to float.
        engine: Inside the backend.
        post: Checking, rounding, pasting.
        tiles: Number of windows.
        window_pixels: Pixels that went through the network, halos included.
    """

    pre: float
    engine: float
    post: float
    tiles: int
    window_pixels: int

    @property
    def total(self) -> float:
        """All three."""
        return self.pre + self.engine + self.post


def plan_for(artifact: Artifact, height: int, width: int, tile: TileChoice = "auto") -> TilePlan:
    """The tile plan for a frame, from the artifact's shape contract.

    An artifact that is not tile-exact is never cut by `auto`.
    """
    shape = artifact.manifest.shape
    if shape.height is not None and shape.width is not None:
        return plan_fixed(height, width, window=(shape.height, shape.width), halo=shape.halo, stride=shape.multiple_of)
    if tile == "auto":
        tile = AUTO_TILE if shape.tile_exact and height * width > AUTO_WHOLE_FRAME else "off"
    side = None if tile == "off" else tile
    return plan_tiles(height, width, tile=side, halo=shape.halo, stride=shape.multiple_of)


def sharpen_frame(
    engine: Engine, io: IoContract, plan: TilePlan, frame: U8, progress: Progress | None = None
) -> tuple[U8, Timing]:
    """Run a frame tile by tile.

    Only one window at a time exists as floats, so memory does not grow with the photograph beyond its own bytes.

    Args:
        engine, io: The backend and the artifact's I/O contract.
        plan: From `plan_for` with this frame's size.
        frame: uint8 (H, W, 3).
        progress: Called with (tiles done, tiles).

    Returns:
        uint8 (H, W, 3) and the timing.

    Raises:
        QualityError: The network returned NaN or Inf.
    """
    height, width = frame.shape[:2]
    output = np.empty_like(frame)
    pre = inside = post = 0.0
    for done, tile in enumerate(plan, start=1):
        start = time.perf_counter()
        batch = _to_batch(_window(frame, tile.rows, tile.columns), io)
        converted = time.perf_counter()
        result = engine.run(batch)
        returned = time.perf_counter()
        rows = slice(tile.rows.keep_start - tile.rows.start, min(tile.rows.keep_end, height) - tile.rows.start)
        columns = slice(
            tile.columns.keep_start - tile.columns.start,
            min(tile.columns.keep_end, width) - tile.columns.start,
        )
        kept = result[0][:, rows, columns] if io.layout == "NCHW" else result[0][rows, columns].transpose(2, 0, 1)
        target = output[tile.rows.keep_start : tile.rows.keep_end, tile.columns.keep_start : tile.columns.keep_end]
        _paste(kept, target, io)
        pre += converted - start
        inside += returned - converted
        post += time.perf_counter() - returned
        if progress:
            progress(done, len(plan))
    window = plan.window
    return output, Timing(pre, inside, post, len(plan), len(plan) * window[0] * window[1])


def sharpen_photo(
    artifact: Artifact,
    engine: Engine,
    photo: Photo,
    tile: TileChoice = "auto",
    progress: Progress | None = None,
) -> tuple[Photo, Timing]:
    """Sharpen a photograph; alpha, profile and EXIF are carried over."""
    plan = plan_for(artifact, photo.height, photo.width, tile)
    pixels, timing = sharpen_frame(engine, artifact.manifest.io, plan, photo.rgb, progress)
    return dataclasses.replace(photo, rgb=pixels), timing


def _window(frame: U8, rows: Span, columns: Span) -> U8:
    """The window's pixels; what lies beyond the frame's bottom and right edge is mirrored."""
    view = frame[rows.start : rows.end, columns.start : columns.end]
    below = rows.end - rows.start - view.shape[0]
    right = columns.end - columns.start - view.shape[1]
    if below or right:
        return np.pad(view, ((0, below), (0, right), (0, 0)), mode="reflect")
    return view


def _to_batch(window: U8, io: IoContract) -> F32:
    height, width = window.shape[:2]
    low, high = io.value_range
    batch = np.empty((1, 3, height, width), dtype=np.float32)
    for channel in range(3):
        gain = (high - low) / 255.0 / io.scale[channel]
        offset = (low - io.mean[channel]) / io.scale[channel]
        np.multiply(window[:, :, channel], np.float32(gain), out=batch[0, channel], dtype=np.float32)
        if offset:
            batch[0, channel] += np.float32(offset)
    return batch if io.layout == "NCHW" else np.ascontiguousarray(batch.transpose(0, 2, 3, 1))


def _paste(planes: F32, target: U8, io: IoContract) -> None:
    """Round (3, h, w) planes in the contract's range into interleaved code values.

    Works in bands of rows that stay in the cache: twice as fast as whole planes.
    """
    low, high = io.value_range
    gain, offset = np.float32(255.0 / (high - low)), np.float32(0.5 - 255.0 * low / (high - low))
    for top in range(0, planes.shape[1], _BAND):
        values = planes[:, top : top + _BAND] * gain
        values += offset
        if not np.isfinite(values.sum(dtype=np.float32)):
            raise QualityError("the network returned NaN or Inf", hint="run the fp32 artifact of this model")
        np.clip(values, 0.0, 255.0, out=values)
        codes = values.astype(np.uint8)
        for channel in range(3):
            target[top : top + _BAND, :, channel] = codes[channel]
