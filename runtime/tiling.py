"""Exact tiling: cutting a frame so that the tiles' outputs equal the whole frame's output bit for bit.

A convolutional network with total stride s computes the same value for an output pixel whenever the same inputs lie
within its reach and the grid of its strides lies the same way. So tile windows start at multiples of s and carry a
halo of context, and only their inner part is kept (Majurski and Bajcsy, Exact tile-based segmentation inference, 2021).
At the frame's own edges no halo is added: there the window ends where the frame ends, and the network's zero padding
acts exactly as it does on the whole frame. The last window is shifted inward, so all windows have one size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ensharpen_edge.errors import UsageError


@dataclass(frozen=True)
class Span:
    """One tile along one axis: the window goes through the network, [keep_start, keep_end) of it is kept.

    All four are coordinates in the frame.
    """

    start: int
    end: int
    keep_start: int
    keep_end: int


@dataclass(frozen=True)
class Tile:
    """A tile: its rows and its columns."""

    rows: Span
    columns: Span


@dataclass(frozen=True)
class TilePlan:
    """How a frame is cut.

    Attributes:
        height, width: The sides of the padded frame, multiples of the stride.
        rows, columns: Spans along each axis; every row with every column is a tile.
    """

    height: int
    width: int
    rows: tuple[Span, ...]
    columns: tuple[Span, ...]

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    def __iter__(self) -> Iterator[Tile]:
        return (Tile(row, column) for row in self.rows for column in self.columns)

    @property
    def window(self) -> tuple[int, int]:
        """The height and width of every window."""
        return self.rows[0].end - self.rows[0].start, self.columns[0].end - self.columns[0].start


def round_up(value: int, multiple: int) -> int:
    """Return the smallest multiple that is not below `value`."""
    return -(-value // multiple) * multiple


def plan_axis(length: int, window: int, halo: int, stride: int) -> tuple[Span, ...]:
    """Cut one axis.

    Args:
        length: The padded frame's length, a multiple of `stride`.
        window: The length of every window, halo included, a multiple of `stride`.
        halo: The context on each inner side, a multiple of `stride`.
        stride: The network's total stride.

    Raises:
        UsageError: The window leaves nothing between its halos.
    """
    if length <= window:
        return (Span(0, length, 0, length),)
    if window - 2 * halo < stride:
        raise UsageError(
            f"a window of {window} pixels leaves nothing between two halos of {halo}",
            hint=f"the smallest window is {2 * halo + stride}",
        )
    spans: list[Span] = []
    kept = 0
    while kept < length:
        start = min(max(0, kept - halo), length - window)
        keep_end = length if start + window == length else start + window - halo
        spans.append(Span(start, start + window, kept, keep_end))
        kept = keep_end
    return tuple(spans)


def plan_tiles(
    height: int, width: int, *, tile: int | None, halo: int, stride: int, smallest: tuple[int, int] = (1, 1)
) -> TilePlan:
    """Cut a frame of any size.

    Args:
        height, width: The photograph's sides, at least 1.
        tile: The most pixels kept per inner tile and axis, rounded up to the stride; the tiles are then made equally
            large. None for the whole frame at once.
        halo, stride: The artifact's context and grid, as its manifest says.
        smallest: (height, width) of the smallest window; smaller frames are padded up to it.

    Raises:
        UsageError: A tile below 1 pixel.
    """
    if tile is not None and tile < 1:
        raise UsageError(f"--tile must be 'auto', 'off' or a number of pixels, got {tile}")
    halo = round_up(halo, stride)
    least = round_up(smallest[0], stride), round_up(smallest[1], stride)
    lengths = max(least[0], round_up(height, stride)), max(least[1], round_up(width, stride))
    rows, columns = (
        plan_axis(length, length if tile is None else max(side, even_window(length, tile, halo, stride)), halo, stride)
        for length, side in zip(lengths, least, strict=True)
    )
    return TilePlan(*lengths, rows, columns)


def even_window(length: int, tile: int, halo: int, stride: int) -> int:
    """Return the smallest window that covers an axis with as many tiles as tiles of `tile` pixels would need.

    The two outer windows need no halo on their outer side, so n windows keep n * (window - 2 halo) + 2 halo pixels.
    """
    inner = max(1, length - 2 * halo)
    count = -(-inner // round_up(tile, stride))
    return round_up(-(-inner // count), stride) + 2 * halo


def plan_fixed(height: int, width: int, *, window: tuple[int, int], halo: int, stride: int) -> TilePlan:
    """Cut a frame for a model file that takes one window size only; smaller frames are padded up to it."""
    padded_height = max(window[0], round_up(height, stride))
    padded_width = max(window[1], round_up(width, stride))
    halo = round_up(halo, stride)
    return TilePlan(
        padded_height,
        padded_width,
        plan_axis(padded_height, window[0], halo, stride),
        plan_axis(padded_width, window[1], halo, stride),
    )
