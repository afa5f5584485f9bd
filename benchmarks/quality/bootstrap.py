"""Confidence in a mean difference: paired bootstrap over photographs.

Efron and Tibshirani: An introduction to the bootstrap, 1993, percentile intervals. Both methods are measured on the
same photographs, so photographs are drawn, and differences averaged: what makes a photograph hard cancels out.
Percentile intervals of few photographs are too narrow: where nothing differs they exclude zero in 16 % of cases for 5
photographs, 9 % for 10 and 7 % for 20, instead of 5 %.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Interval:
    """A mean, and two numbers that it lies between with 95 % confidence."""

    mean: float
    low: float
    high: float

    @property
    def certain(self) -> bool:
        """Whether zero lies outside."""
        return self.low > 0.0 or self.high < 0.0

    def __str__(self) -> str:
        return f"{self.mean:+.2f} [{self.low:+.2f}, {self.high:+.2f}]"


def paired_bootstrap(first: ArrayLike, second: ArrayLike, draws: int = 10_000, seed: int = 0) -> Interval:
    """Return the mean of `first - second` with its 95 % interval.

    Args:
        first, second: Values of the same photographs in the same order.
        draws: Number of resamples.
        seed: Seed of the resampling.

    Raises:
        ValueError: The lengths differ, there is nothing to compare, or values are not finite.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ValueError(f"paired values must be two lists of one length, got {a.shape} and {b.shape}")
    difference = a - b
    if not np.isfinite(difference).all():
        raise ValueError("paired values must be finite")
    picks = np.random.default_rng(seed).integers(0, len(a), (draws, len(a)))
    means = difference[picks].mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return Interval(float(difference.mean()), float(low), float(high))
