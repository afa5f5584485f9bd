"""Choose ranges from histograms: how much of a tensor's tail is worth a coarser step for the rest.

All methods read the same histogram, so one pass over the photographs serves them all. A new method is one function and
one line in `METHODS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ensharpen_edge.arrays import F64
from ensharpen_edge.calibration.histogram import Histogram
from ensharpen_edge.errors import UsageError, unknown_name


@dataclass(frozen=True)
class Scheme:
    """How numbers become codes.

    Attributes:
        bits: Number of bits of a code.
        symmetric: Zero is the middle code and the range is the same on both sides; otherwise the range is anywhere,
            but holds zero.
    """

    bits: int = 8
    symmetric: bool = False

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 16:
            raise UsageError(f"codes have 2 to 16 bits, got {self.bits}")

    @property
    def steps(self) -> int:
        """Steps between the smallest and the largest code."""
        return int(2**self.bits) - (2 if self.symmetric else 1)


@dataclass(frozen=True)
class Range:
    """The range that the codes of a tensor span; it holds zero, so that zero (padding, ReLU) is exact."""

    low: float
    high: float


@dataclass(frozen=True)
class RangeConfig:
    """Method and its parameters.

    Attributes:
        method: Name in `METHODS`.
        percentile: Share of the values inside, in per cent, for `percentile`.
        momentum: Weight of what came before, for `moving average`.
        candidates: Ranges that are tried, for `entropy` and `mse`.
    """

    method: str = "mse"
    percentile: float = 99.9997
    momentum: float = 0.9
    candidates: int = 100

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise unknown_name("range method", self.method, METHODS)
        if not 50.0 < self.percentile <= 100.0 or not 0.0 <= self.momentum < 1.0 or self.candidates < 2:
            raise UsageError(
                f"range settings: percentile {self.percentile} (above 50 to 100), momentum {self.momentum} (0 to below "
                f"1), candidates {self.candidates} (at least 2)"
            )


def _fit(low: float, high: float, scheme: Scheme) -> Range:
    """Return the scheme's range around an interval."""
    low, high = min(low, 0.0), max(high, 0.0)
    if scheme.symmetric:
        reach = max(-low, high)
        return Range(-reach, reach)
    return Range(low, high)


def _min_max(histogram: Histogram, scheme: Scheme, _config: RangeConfig) -> Range:
    return _fit(histogram.low, histogram.high, scheme)


def _moving_average(histogram: Histogram, scheme: Scheme, config: RangeConfig) -> Range:
    """Return the exponential average of the photographs' own extremes, in order (Jacob et al. 2018)."""
    low, high = histogram.lows[0], histogram.highs[0]
    for next_low, next_high in zip(histogram.lows[1:], histogram.highs[1:], strict=True):
        low = config.momentum * low + (1 - config.momentum) * next_low
        high = config.momentum * high + (1 - config.momentum) * next_high
    return _fit(low, high, scheme)


def _percentile(histogram: Histogram, scheme: Scheme, config: RangeConfig) -> Range:
    """Return the range that is left when the outermost values are cut, half of them on each side."""
    share = (1.0 - config.percentile / 100.0) / (1.0 if scheme.symmetric else 2.0)
    if scheme.symmetric:
        magnitudes = _magnitudes(histogram)
        inside = np.cumsum(magnitudes) / max(1, magnitudes.sum())
        index = int(np.searchsorted(inside, 1.0 - share))
        reach = min((index + 1) * histogram.width, max(-histogram.low, histogram.high))
        return Range(-reach, reach)
    cumulative = np.cumsum(histogram.counts) / max(1, histogram.counts.sum())
    edges = histogram.edges
    low = edges[int(np.searchsorted(cumulative, share, side="right"))]
    high = edges[min(int(np.searchsorted(cumulative, 1.0 - share)) + 1, len(edges) - 1)]
    return _fit(max(float(low), histogram.low), min(float(high), histogram.high), scheme)


def _magnitudes(histogram: Histogram) -> F64:
    """Return the counts by magnitude, both signs together, from 0 to the reach."""
    half = len(histogram.counts) // 2
    return np.asarray(histogram.counts[half:] + histogram.counts[:half][::-1], dtype=np.float64)


def _shrunk(histogram: Histogram, scheme: Scheme, config: RangeConfig) -> list[Range]:
    """Return ranges from the whole one down to a tenth of it."""
    whole = _fit(histogram.low, histogram.high, scheme)
    shares = np.linspace(1.0, 0.1, config.candidates)
    return [Range(whole.low * float(share), whole.high * float(share)) for share in shares]


def _mse(histogram: Histogram, scheme: Scheme, config: RangeConfig) -> Range:
    """Return the range with the smallest estimate of the mean squared error of rounding and clipping together."""
    centres = (histogram.edges[:-1] + histogram.edges[1:]) / 2
    present = histogram.counts > 0
    values, weights = centres[present], histogram.counts[present].astype(np.float64)

    def error(candidate: Range) -> float:
        step = (candidate.high - candidate.low) / scheme.steps
        if step <= 0.0:
            return float((weights * values**2).sum())
        clipped = np.clip(values, candidate.low, candidate.high)
        # Rounding errs by step^2 / 12 on average, values being spread evenly within a step; exact zeros, which do not
        # err at all, are charged like the rest, so where most values are zeros the range comes out on the small side.
        return float((weights * (values - clipped) ** 2).sum() + weights.sum() * step**2 / 12)

    return min(_shrunk(histogram, scheme, config), key=error)


def _entropy(histogram: Histogram, scheme: Scheme, config: RangeConfig) -> Range:
    """Return the range whose codes have the smallest Kullback-Leibler divergence from the values (Migacz 2017)."""
    edges = histogram.edges
    centres = (edges[:-1] + edges[1:]) / 2
    counts = histogram.counts.astype(np.float64)
    whole = max(counts.sum(), 1.0)

    def divergence(candidate: Range) -> float:
        inside = (centres >= candidate.low) & (centres <= candidate.high)
        if inside.sum() < 2 or candidate.high <= candidate.low:
            return np.inf
        reference = np.where(inside, counts, 0.0)
        positions = np.flatnonzero(inside)
        reference[positions[0]] += counts[: positions[0]].sum()
        reference[positions[-1]] += counts[positions[-1] + 1 :].sum()
        codes = (
            ((centres[inside] - candidate.low) / (candidate.high - candidate.low) * scheme.steps).round().astype(int)
        )
        kept, used = counts[inside], counts[inside] > 0
        total = np.bincount(codes, weights=kept)
        occupied = np.bincount(codes, weights=used.astype(np.float64))
        spread = np.where(used, total[codes] / np.maximum(occupied[codes], 1.0), 0.0)
        p, q = reference[inside] / whole, spread / max(spread.sum(), 1.0)
        both = p > 0
        return float((p[both] * np.log(p[both] / np.maximum(q[both], 1e-12))).sum())

    return min(_shrunk(histogram, scheme, config), key=divergence)


Method = Callable[[Histogram, Scheme, RangeConfig], Range]

METHODS: dict[str, Method] = {
    "min-max": _min_max,
    "moving average": _moving_average,
    "percentile": _percentile,
    "entropy": _entropy,
    "mse": _mse,
}


def find_range(histogram: Histogram, scheme: Scheme, config: RangeConfig) -> Range:
    """Return the range of a tensor.

    Args:
        histogram: Histogram of the tensor's values.
        scheme: The codes' number of bits and symmetry.
        config: Method and parameters.

    Returns:
        Holds zero; symmetric when the scheme is.
    """
    return METHODS[config.method](histogram, scheme, config)
