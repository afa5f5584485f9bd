"""Pixels through an engine: planning, tiling, conversion, and the check that what came out is finite."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from ensharpen_edge.arrays import F32, U8
from ensharpen_edge.artifact import Artifact
from ensharpen_edge.artifact_manifest import FLOAT_DTYPE, IoContract, ShapeContract
from ensharpen_edge.errors import QualityError, UsageError
from ensharpen_edge.imaging.photo import Photo
from ensharpen_edge.progress import Progress, no_progress
from ensharpen_edge.runtime.array_images import enlarge_alpha
from ensharpen_edge.runtime.codes import Codes, codes_to_pixels, floats_to_pixels, pixels_to_codes
from ensharpen_edge.runtime.engines.base import Batch, Runner
from ensharpen_edge.runtime.tiling import Span, Tile, TilePlan, plan_fixed, plan_tiles, round_up

Frame = U8 | F32
FrameT = TypeVar("FrameT", U8, F32)
TileChoice = int | Literal["auto", "off"]

AUTO_WHOLE_FRAME = 1_500_000
"""`auto` runs frames up to this many pixels in one piece."""

AUTO_TILE = 768
"""`auto` cuts larger frames into tiles of this side. The halo costs a third more work, but the activations of a window
stay near the cache, so the time is that of the whole frame or better, and memory stays flat."""

_BAND = 32
"""Rows that are rounded at a time."""


@dataclass(frozen=True)
class Timing:
    """Seconds spent on one frame.

    Attributes:
        pre: Seconds of cutting, padding and converting to float.
        engine: Seconds inside the backend.
        post: Seconds of checking, rounding and pasting.
        tiles: The number of windows.
        window_pixels: The pixels that went through the network, halos included.
    """

    pre: float
    engine: float
    post: float
    tiles: int
    window_pixels: int

    @property
    def total(self) -> float:
        """The sum of all three."""
        return self.pre + self.engine + self.post


def check_tileable(artifact: Artifact) -> None:
    """Raise `UsageError` for an artifact that looks at the whole frame: seams would show between its tiles."""
    if not artifact.manifest.shape.tile_exact:
        raise UsageError("this network looks at the whole frame: tiles would not fit together", hint="use --tile off")


def plan_for(artifact: Artifact, height: int, width: int, tile: TileChoice = "auto") -> TilePlan:
    """Return the tile plan for a frame, from the artifact's shape contract.

    An artifact that is not tile-exact is never cut by `auto`.

    Raises:
        UsageError: A tile side for an artifact that cannot be tiled, or one whose windows are too small for tiles.
    """
    shape = artifact.manifest.shape
    if shape.height is not None and shape.width is not None:
        fixed = plan_fixed(height, width, window=(shape.height, shape.width), halo=shape.halo, stride=shape.multiple_of)
        if len(fixed) > 1 and not shape.tile_exact:
            raise UsageError(
                f"this network looks at the whole frame, and this file only takes {shape.width}x{shape.height} pixels: "
                f"a photograph of {width}x{height} would have to be cut, and seams would show",
                hint="use a file without a fixed size",
            )
        return fixed
    if tile == "auto":
        fits = shape.largest is None or (height <= shape.largest[0] and width <= shape.largest[1])
        small = height * width <= AUTO_WHOLE_FRAME
        tile = _largest_tile(shape) if shape.tile_exact and not (small and fits) else "off"
    if isinstance(tile, int):
        check_tileable(artifact)
    side = None if tile == "off" else tile
    return plan_tiles(
        height, width, tile=side, halo=shape.halo, stride=shape.multiple_of, smallest=shape.smallest or (1, 1)
    )


def _largest_tile(shape: ShapeContract) -> int:
    """Return `AUTO_TILE`, or as much as a window that the file takes keeps between its halos."""
    if shape.largest is None:
        return AUTO_TILE
    halo = round_up(shape.halo, shape.multiple_of)
    kept = min(shape.largest) // shape.multiple_of * shape.multiple_of - 2 * halo
    if kept < shape.multiple_of:
        raise UsageError(
            f"this file takes windows of up to {shape.largest[0]}x{shape.largest[1]} pixels, which leaves nothing "
            f"between two halos of {halo}",
            hint=f"build it for at least {2 * halo + shape.multiple_of} pixels, or give it smaller photographs",
        )
    return min(AUTO_TILE, kept)


class WindowBuffer:
    """Float memory for one window, kept between windows and photographs of one size.

    Fresh memory for a 12-megapixel frame costs about ten times the conversion that fills it: the operating system
    clears every page.
    """

    def __init__(self) -> None:
        self._array: F32 | None = None

    def take(self, height: int, width: int) -> F32:
        """Return float32 (1, 3, height, width) with any content; an array taken before is overwritten."""
        if self._array is None or self._array.shape[2:] != (height, width):
            self._array = np.empty((1, 3, height, width), dtype=np.float32)
        return self._array


def sharpen_frame(
    engine: Runner,
    io: IoContract,
    plan: TilePlan,
    frame: FrameT,
    progress: Progress = no_progress,
    buffer: WindowBuffer | None = None,
) -> tuple[FrameT, Timing]:
    """Run a frame tile by tile.

    Only one window at a time exists as floats, so memory does not grow with the photograph beyond its own bytes.

    Args:
        engine: An engine, or a self-ensemble of one.
        io: The artifact's I/O contract.
        plan: The plan that `plan_for` made for this frame's size.
        frame: (H, W, 3), code values (uint8), or float32 in [0, 1].
        progress: Told how many tiles are done.
        buffer: Memory to reuse; worth passing when several photographs have one size.

    Returns:
        The same type, `io.enlarges` times as high and wide, and the timing. Code values are rounded and clipped, floats
        are as the network gave them.

    Raises:
        QualityError: The network returned NaN or Inf.
    """
    height, width = frame.shape[:2]
    output = np.empty((height * io.enlarges, width * io.enlarges, 3), dtype=frame.dtype)
    buffer = buffer or WindowBuffer()
    pre = inside = post = 0.0
    for done, tile in enumerate(plan, start=1):
        start = time.perf_counter()
        batch = to_batch(cut_window(frame, tile), io, buffer)
        converted = time.perf_counter()
        result = engine.run(batch)
        returned = time.perf_counter()
        rows, columns = _kept(tile.rows, height, io.enlarges), _kept(tile.columns, width, io.enlarges)
        kept = result[0][:, rows, columns] if io.layout == "NCHW" else result[0][rows, columns].transpose(2, 0, 1)
        target = output[_place(tile.rows, io.enlarges), _place(tile.columns, io.enlarges)]
        if io.dtype == FLOAT_DTYPE:
            _paste(kept, target, io)
        else:
            _paste_codes(kept, target)
        pre += converted - start
        inside += returned - converted
        post += time.perf_counter() - returned
        progress("sharpening", done, len(plan))
    window = plan.window
    return output, Timing(pre, inside, post, len(plan), len(plan) * window[0] * window[1])


def _kept(span: Span, length: int, enlarges: int) -> slice:
    """Return the part of a window's output that is kept, along an axis of the frame that is `length` long."""
    return slice((span.keep_start - span.start) * enlarges, (min(span.keep_end, length) - span.start) * enlarges)


def _place(span: Span, enlarges: int) -> slice:
    """Return the place of that part in the output; pixels beyond the frame fall away."""
    return slice(span.keep_start * enlarges, span.keep_end * enlarges)


def sharpen_photo(
    artifact: Artifact,
    engine: Runner,
    photo: Photo,
    tile: TileChoice = "auto",
    progress: Progress = no_progress,
    buffer: WindowBuffer | None = None,
) -> tuple[Photo, Timing]:
    """Sharpen a photograph; alpha, profile and EXIF are carried over, alpha is enlarged with the pixels.

    Raises:
        UsageError: See `plan_for`.
        QualityError: The network returned NaN or Inf.
    """
    plan = plan_for(artifact, photo.height, photo.width, tile)
    pixels, timing = sharpen_frame(engine, artifact.manifest.io, plan, photo.rgb, progress, buffer)
    alpha = None if photo.alpha is None else enlarge_alpha(photo.alpha, pixels.shape[0], pixels.shape[1])
    return dataclasses.replace(photo, rgb=pixels, alpha=alpha), timing


def cut_window(frame: FrameT, tile: Tile) -> FrameT:
    """Return the window's pixels; beyond the frame's bottom and right edge they are mirrored."""
    rows, columns = tile.rows, tile.columns
    view = frame[rows.start : rows.end, columns.start : columns.end]
    below = rows.end - rows.start - view.shape[0]
    right = columns.end - columns.start - view.shape[1]
    if below or right:
        return np.pad(view, ((0, below), (0, right), (0, 0)), mode="reflect")
    return view


def to_batch(window: Frame, io: IoContract, buffer: WindowBuffer | None = None) -> Batch:
    """Return a window in the layout, dtype and range of the contract: (1, 3, h, w), floats in the buffer, or
    (1, h, w, 3)."""
    if io.dtype != FLOAT_DTYPE:
        return _code_batch(window, io)
    height, width = window.shape[:2]
    low, high = io.value_range
    white = 255.0 if window.dtype == np.uint8 else 1.0
    batch = (buffer or WindowBuffer()).take(height, width)
    for channel in range(3):
        gain = (high - low) / white / io.scale[channel]
        offset = (low - io.mean[channel]) / io.scale[channel]
        np.multiply(window[:, :, channel], np.float32(gain), out=batch[0, channel], dtype=np.float32)
        if offset:
            batch[0, channel] += np.float32(offset)
    return batch if io.layout == "NCHW" else np.ascontiguousarray(batch.transpose(0, 2, 3, 1))


def _code_batch(window: Frame, io: IoContract) -> Codes:
    pixels = np.asarray(window, dtype=np.uint8) if window.dtype == np.uint8 else floats_to_pixels(window)
    codes = pixels_to_codes(pixels, io.dtype)[None]
    return np.ascontiguousarray(codes if io.layout == "NHWC" else codes.transpose(0, 3, 1, 2))


def _paste_codes(planes: Codes, target: Frame) -> None:
    """Write (3, h, w) planes of codes into interleaved pixels."""
    pixels = codes_to_pixels(planes.transpose(1, 2, 0))
    target[...] = pixels if target.dtype == np.uint8 else pixels / np.float32(255.0)


def _paste(planes: F32, target: Frame, io: IoContract) -> None:
    """Write (3, h, w) planes in the contract's range into interleaved pixels: code values are rounded, floats kept.

    Works in bands of rows that stay in the cache: twice as fast as whole planes.
    """
    low, high = io.value_range
    coded = target.dtype == np.uint8
    white, rounding = (255.0, 0.5) if coded else (1.0, 0.0)
    gain, offset = np.float32(white / (high - low)), np.float32(rounding - white * low / (high - low))
    for top in range(0, planes.shape[1], _BAND):
        values = planes[:, top : top + _BAND] * gain
        values += offset
        if not np.isfinite(values).all():
            raise QualityError("the network returned NaN or Inf", hint="run the fp32 artifact of this model")
        if coded:
            np.clip(values, 0.0, 255.0, out=values)
            values = values.astype(np.uint8)
        for channel in range(3):
            target[top : top + _BAND, :, channel] = values[channel]
