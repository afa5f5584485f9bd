"""Histograms of activations in one pass and bounded memory.

The number of bins is fixed. A value beyond the range doubles it and merges bins in pairs, so counts stay exact and the
result does not depend on the order of the photographs.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from ensharpen_edge.errors import BadInputError

BINS = 4096
"""Per tensor, over the symmetric range [-reach, reach]; a power of two."""

_SMALLEST = 1e-30
"""Smaller values are zeros: a bin's inverse would not fit into a float32."""

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Histogram:
    """Values of one tensor over all crops.

    Attributes:
        counts: int64 (BINS,), over equal bins of [-reach, reach].
        reach: A power of two above every magnitude seen; 0 when every value was 0.
        low, high: Smallest and largest value, exactly.
        lows, highs: The same for every photograph, in order.
    """

    counts: Counts
    reach: float
    low: float
    high: float
    lows: tuple[float, ...]
    highs: tuple[float, ...]

    @property
    def width(self) -> float:
        """Width of one bin."""
        return 2.0 * self.reach / len(self.counts)

    @property
    def edges(self) -> NDArray[np.float64]:
        """(BINS + 1,) borders of the bins."""
        return np.linspace(-self.reach, self.reach, len(self.counts) + 1)


class StreamingHistogram:
    """Collects one tensor over many photographs.

    Args:
        name: Name of the tensor, for messages.
        bins: Even.
    """

    def __init__(self, name: str, bins: int = BINS) -> None:
        self.name = name
        self._counts: Counts = np.zeros(bins, dtype=np.int64)
        self._zeros = 0
        self._reach = 0.0
        self._lows: list[float] = []
        self._highs: list[float] = []

    def add(self, values: NDArray[np.float32], photo: str, samples: int = 0) -> None:
        """Count the values of one photograph.

        Args:
            values: Any shape.
            photo: Its name, for messages.
            samples: Count at most about so many, evenly spread; smallest and largest are exact all the same. 0 counts
                every value.

        Raises:
            BadInputError: NaN or infinite values; names tensor and photograph.
        """
        low, high = float(values.min()), float(values.max())
        if not np.isfinite(low + high):
            raise BadInputError(
                f"tensor {self.name!r} holds NaN or Inf for the photograph {photo}",
                hint="the network overflows: check its weights, and the photograph",
            )
        self._lows.append(low)
        self._highs.append(high)
        flat = values.reshape(-1)
        if samples and flat.size > samples:
            # An odd step that shares no factor with the rows walks through all columns and channels.
            flat = flat[:: (flat.size // samples) | 1]
        magnitude = max(-low, high)
        if magnitude < _SMALLEST:
            self._zeros += flat.size
            return
        self._grow(magnitude)
        # Reach and bins are powers of two, so the product is exact and no value lands beside its bin.
        half = len(self._counts) // 2
        place = np.floor(flat * np.float32(half / self._reach)).astype(np.int64) + half
        self._counts += np.bincount(place, minlength=len(self._counts))

    def _grow(self, magnitude: float) -> None:
        if self._reach == 0.0:
            self._reach = float(2.0 ** np.floor(np.log2(magnitude)))
        while self._reach <= magnitude:
            # Twice the range at the same number of bins: two old bins make one new one, around the middle.
            half = self._counts.reshape(-1, 2).sum(axis=1)
            quarter = len(self._counts) // 4
            self._counts = np.pad(half, quarter)
            self._reach *= 2.0

    def freeze(self) -> Histogram:
        """Return the histogram of all values so far.

        Raises:
            BadInputError: Nothing was.
        """
        if not self._lows:
            raise BadInputError(f"tensor {self.name!r}: no photograph was seen")
        counts = self._counts.copy()
        counts[len(counts) // 2] += self._zeros
        return Histogram(counts, self._reach, min(self._lows), max(self._highs), tuple(self._lows), tuple(self._highs))


def merge(first: Histogram, second: Histogram) -> Histogram:
    """Return both together, as if one histogram had seen their photographs in turn."""
    joined = StreamingHistogram("merged", len(first.counts))
    for histogram in (first, second):
        if histogram.reach > 0.0:
            joined._grow(histogram.reach / 2)
            other = StreamingHistogram("part", len(histogram.counts))
            other._counts, other._reach = histogram.counts.copy(), histogram.reach
            other._grow(joined._reach / 2)
            joined._counts += other._counts
        else:
            joined._zeros += int(histogram.counts.sum())
    joined._lows = _alternating(first.lows, second.lows)
    joined._highs = _alternating(first.highs, second.highs)
    return joined.freeze()


def _alternating(first: tuple[float, ...], second: tuple[float, ...]) -> list[float]:
    pairs = zip_longest(first, second)
    return [value for pair in pairs for value in pair if value is not None]
