"""Whether there were enough photographs: two halves of them should give the same ranges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ensharpen_edge.calibration.histogram import Histogram
from ensharpen_edge.calibration.ranges import RangeConfig, Scheme, find_range

UNSTABLE = 0.2
"""Ranges that move by more than this share are named."""


@dataclass(frozen=True)
class Movement:
    """One tensor's range in the two halves.

    Attributes:
        tensor: Its name.
        first, second: Widths of the range.
    """

    tensor: str
    first: float
    second: float

    @property
    def share(self) -> float:
        """Difference of the widths, relative to the larger one."""
        larger = max(self.first, self.second)
        return abs(self.first - self.second) / larger if larger else 0.0


def compare_halves(
    first: Mapping[str, Histogram], second: Mapping[str, Histogram], scheme: Scheme, config: RangeConfig
) -> list[Movement]:
    """Return every tensor's movement between disjoint halves, the largest first."""
    moved = []
    for name in first:
        a, b = (find_range(half[name], scheme, config) for half in (first, second))
        moved.append(Movement(name, a.high - a.low, b.high - b.low))
    return sorted(moved, key=lambda movement: -movement.share)
