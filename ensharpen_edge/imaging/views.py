"""Mirrored and turned views of images: the eight symmetries of a square."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensharpen_edge.errors import UsageError

VIEWS = (1, 2, 4, 8)
"""As it is; and mirrored; and upside down, both; and all of these transposed."""

_MIRRORED, _UPSIDE_DOWN, _TRANSPOSED = 1, 2, 4

Images = NDArray[Any]


def check_views(views: int) -> None:
    """Raises `UsageError` unless it is one of `VIEWS`."""
    if views not in VIEWS:
        raise UsageError(f"a self-ensemble has {', '.join(map(str, VIEWS))} views, not {views}")


def to_view(images: Images, view: int, rows: int, columns: int) -> Images:
    """View number `view`, 0 to 7, of images whose height and width are the axes `rows` and `columns`; contiguous."""
    if view & _TRANSPOSED:
        images = images.swapaxes(rows, columns)
    return np.ascontiguousarray(np.flip(images, _flipped(view, rows, columns)))


def from_view(images: Images, view: int, rows: int, columns: int) -> Images:
    """Inverse of `to_view`, without a copy."""
    images = np.flip(images, _flipped(view, rows, columns))
    return images.swapaxes(rows, columns) if view & _TRANSPOSED else images


def _flipped(view: int, rows: int, columns: int) -> tuple[int, ...]:
    return tuple(axis for flag, axis in ((_MIRRORED, columns), (_UPSIDE_DOWN, rows)) if view & flag)
