"""Quality over whole suites: means, gains over the input or over a baseline, and how sure they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ensharpen_edge.benchmarks.quality.bootstrap import Interval, paired_bootstrap
from ensharpen_edge.benchmarks.quality.scoring import DEGRADED, Score
from ensharpen_edge.metrics.registry import METRICS
from ensharpen_edge.metrics.retained_gain import retained_gain

FEWEST = 5
"""Photographs that an interval needs: one from fewer says nothing."""


@dataclass(frozen=True)
class SuiteResult:
    """All conditions of a suite on one set of photographs.

    Attributes:
        title: Names of the suite and the set of photographs.
        cases: Scores of every method by condition, all in one order of photographs.
        protocol: Sentence that says how the pairs came about.
    """

    title: str
    cases: dict[str, list[Score]]
    protocol: str = ""

    def methods(self) -> list[str]:
        """Return the names of the methods, in the order of tables."""
        return [score.method for score in next(iter(self.cases.values()))]

    def per_photo(self, method: str, metric: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Return every photograph's mean over the conditions, which are no independent samples of it."""
        rows = [s.values[metric] for scores in self.cases.values() for s in scores if s.method == method]
        return np.asarray(np.mean(np.asarray(rows, dtype=np.float64), axis=0))

    def to_dict(self, metrics: Sequence[str], baseline: str | None) -> dict[str, Any]:
        """Return means and values as plain JSON types.

        Infinite values are null; means are of the others, and `equal` counts the photographs that equal the truth.

        Args:
            metrics: Names of the metrics, the first one decides.
            baseline: Method that the others are compared with, or None.
        """
        methods = {}
        for method in self.methods():
            entry: dict[str, Any] = {m: finite_mean(self.per_photo(method, m))[0] for m in metrics}
            entry["equal"] = finite_mean(self.per_photo(method, metrics[0]))[1]
            for name, other in (("gain", DEGRADED), ("over_baseline", baseline)):
                interval = difference(self, method, other, metrics[0]) if other and method != other else None
                entry[name] = vars(interval) if interval else None
            against = baseline if method != DEGRADED else None
            entry["retained"] = retained(self, method, against, metrics[0]) if against else None
            methods[method] = entry
        cases = {case: {s.method: _score_dict(s, metrics) for s in scores} for case, scores in self.cases.items()}
        return {"title": self.title, "methods": methods, "cases": cases}


def _score_dict(score: Score, metrics: Sequence[str]) -> dict[str, Any]:
    values: dict[str, Any] = {metric: [finite(value) for value in score.values[metric]] for metric in metrics}
    return {**values, "setting": score.setting} if score.setting else values


def difference(result: SuiteResult, method: str, baseline: str, metric: str) -> Interval | None:
    """Return the mean difference and its interval; None for too few photographs, or infinite PSNR (equal images)."""
    first, second = result.per_photo(method, metric), result.per_photo(baseline, metric)
    if len(first) < FEWEST or not (np.isfinite(first).all() and np.isfinite(second).all()):
        return None
    return paired_bootstrap(first, second)


def retained(result: SuiteResult, method: str, baseline: str, metric: str) -> float | None:
    """Return the share of the baseline's gain over the input that a method keeps; None where it gains nothing."""
    start, best, own = (float(result.per_photo(name, metric).mean()) for name in (DEGRADED, baseline, method))
    if not np.isfinite((start, best, own)).all() or best <= start:
        return None
    return retained_gain(own, best, start)


def finite_mean(values: ArrayLike) -> tuple[float | None, int]:
    """Return the mean of the finite values, and how many are infinite: the PSNR of images that equal the truth."""
    found = np.asarray(values, dtype=np.float64)
    finite = found[np.isfinite(found)]
    return (float(finite.mean()) if len(finite) else None), len(found) - len(finite)


def mean_text(values: ArrayLike, metric: str) -> str:
    """Return `finite_mean` for a table: `42.10`, `42.10 (3 equal)`, or `equal`."""
    mean, equal = finite_mean(values)
    if mean is None:
        return "equal"
    return f"{mean:.{METRICS[metric].digits}f}" + (f" ({equal} equal)" if equal else "")


def finite(value: float) -> float | None:
    """Return the value, or None where JSON has no number for it."""
    return float(value) if np.isfinite(value) else None
