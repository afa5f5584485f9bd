"""Statistics of run times that survive noise: medians, order statistics, ranks. Pure functions over samples.

Run times have a floor and a long tail, so means and standard deviations say little. Two sets of samples are compared
by the Mann-Whitney U test, and their ratio by the Hodges-Lehmann estimator of the shift between their logarithms, whose
interval is the test turned around (Hollander, Wolfe, Chicken: Nonparametric statistical methods, 2013, chapter 4).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ensharpen_edge.arrays import F64
from ensharpen_edge.errors import require

_TO_SIGMA = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""


@dataclass(frozen=True)
class Summary:
    """Statistics of samples of one quantity, in their unit.

    Attributes:
        count: Number of samples.
        minimum, median, p90, p99: Quantiles; p99 of fewer than 100 samples is nearly the largest.
        low, high: The median lies between them with 95 % confidence.
        noise: Robust standard deviation over the median.
    """

    count: int
    minimum: float
    median: float
    p90: float
    p99: float
    low: float
    high: float
    noise: float


def summarize(samples: ArrayLike) -> Summary:
    """Return the statistics of samples.

    Raises:
        ValueError: There are no samples, or one is not a positive number.
    """
    values = _checked(samples)
    middle = float(np.median(values))
    low, high = median_interval(values)
    return Summary(
        len(values),
        float(values.min()),
        middle,
        float(np.quantile(values, 0.9)),
        float(np.quantile(values, 0.99)),
        low,
        high,
        _TO_SIGMA * float(np.median(np.abs(values - middle))) / middle,
    )


def median_interval(samples: ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """Return order statistics that the median lies between, whatever the distribution; the extremes for few samples."""
    values = np.sort(_checked(samples))
    count = len(values)
    tail, rank = 0.5**count, 0
    # Binomial(count, 1/2): how many order statistics can be cut off each end. In logarithms: its terms overflow.
    while tail <= (1 - confidence) / 2 and rank < count // 2:
        rank += 1
        ways = math.lgamma(count + 1) - math.lgamma(rank + 1) - math.lgamma(count - rank + 1)
        tail += math.exp(ways - count * math.log(2.0))
    cut = max(rank - 1, 0)
    return float(values[cut]), float(values[count - 1 - cut])


@dataclass(frozen=True)
class Shift:
    """Comparison of the times of two sets of runs.

    Attributes:
        ratio: Time of the second over that of the first; 1.08 is 8 % slower.
        low, high: The ratio lies between them with 95 % confidence.
        p_slower: Chance of such ranks if the second were not slower.
        p_faster: Chance of such ranks if it were not faster.
    """

    ratio: float
    low: float
    high: float
    p_slower: float
    p_faster: float

    @property
    def precision(self) -> float:
        """Half of the interval's width, as a share of the ratio."""
        return math.sqrt(self.high / self.low) - 1.0


def compare_samples(base: ArrayLike, head: ArrayLike) -> Shift:
    """Return how the times of `head` compare with those of `base`.

    Raises:
        MissingToolError: scipy is not installed.
        ValueError: There are no samples, or one is not a positive number.
    """
    stats = require("scipy.stats", "bench")
    before, after = np.log(_checked(base)), np.log(_checked(head))
    differences = np.sort((after[:, None] - before[None, :]).ravel())
    m, n = len(before), len(after)
    spread = 1.959964 * math.sqrt(m * n * (m + n + 1) / 12.0)
    cut = max(math.floor(m * n / 2.0 - spread), 0)
    slower = stats.mannwhitneyu(after, before, alternative="greater").pvalue
    faster = stats.mannwhitneyu(after, before, alternative="less").pvalue
    middle, low, high = (float(np.exp(v)) for v in (np.median(differences), differences[cut], differences[-1 - cut]))
    return Shift(middle, low, high, float(slower), float(faster))


def settled(samples: Sequence[float], window: int = 3, tolerance: float = 0.05) -> bool:
    """Return whether warming up is over: the last few runs are no faster than the few before them."""
    if len(samples) < 2 * window:
        return False
    before, after = min(samples[-2 * window : -window]), min(samples[-window:])
    return after >= before * (1.0 - tolerance)


def _checked(samples: ArrayLike) -> F64:
    values = np.asarray(samples, dtype=np.float64)
    if values.ndim != 1 or not len(values) or not (np.isfinite(values) & (values > 0)).all():
        raise ValueError(f"times must be a list of finite and positive numbers, got {values.ravel()[:5].tolist()}")
    return values
