"""Quality over whole suites: means, gains and their intervals, as tables and JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from rich.table import Table

from ensharpen_edge.benchmarks.bootstrap import Interval, paired_bootstrap
from ensharpen_edge.benchmarks.quality import DEGRADED, Score
from ensharpen_edge.metrics.registry import METRICS

FEWEST = 5
"""Photographs; an interval from fewer says nothing."""


@dataclass(frozen=True)
class SuiteResult:
    """All conditions of a suite on one set of photographs.

    Attributes:
        title: Suite and set.
        cases: By condition, the scores of every method, in one order of photographs.
        protocol: How the pairs came about.
    """

    title: str
    cases: dict[str, list[Score]]
    protocol: str = ""

    def methods(self) -> list[str]:
        """Names of the methods."""
        return [score.method for score in next(iter(self.cases.values()))]

    def per_photo(self, method: str, metric: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Mean over the conditions for every photograph: conditions of one photograph are no independent samples."""
        rows = [s.values[metric] for scores in self.cases.values() for s in scores if s.method == method]
        return np.asarray(np.mean(np.asarray(rows, dtype=np.float64), axis=0))


def difference(result: SuiteResult, method: str, baseline: str, metric: str) -> Interval | None:
    """Mean difference with its interval; None for too few photographs, or where PSNR is infinite (equal images)."""
    first, second = result.per_photo(method, metric), result.per_photo(baseline, metric)
    if len(first) < FEWEST or not (np.isfinite(first).all() and np.isfinite(second).all()):
        return None
    return paired_bootstrap(first, second)


def retained(result: SuiteResult, method: str, baseline: str, metric: str) -> float | None:
    """Share of the baseline's gain over the input that a method keeps; None where the baseline gains nothing."""
    start, best, own = (result.per_photo(name, metric).mean() for name in (DEGRADED, baseline, method))
    if not np.isfinite((start, best, own)).all() or best <= start:
        return None
    return float((own - start) / (best - start))


def finite_mean(values: ArrayLike) -> tuple[float | None, int]:
    """Mean of the finite values, and how many are not: PSNR of an image that equals the truth is infinite."""
    found = np.asarray(values, dtype=np.float64)
    finite = found[np.isfinite(found)]
    return (float(finite.mean()) if len(finite) else None), len(found) - len(finite)


def mean_text(values: ArrayLike, metric: str) -> str:
    """`finite_mean` for a table: `42.10`, `42.10 (3 equal)`, or `equal`."""
    mean, equal = finite_mean(values)
    if mean is None:
        return "equal"
    return f"{mean:.{METRICS[metric].digits}f}" + (f" ({equal} equal)" if equal else "")


def suite_table(result: SuiteResult, metrics: tuple[str, ...], baseline: str | None) -> Table:
    """Means over photographs and conditions; gain over the input, and over `baseline`, in the first metric."""
    count = len(next(iter(result.cases.values()))[0].values[metrics[0]])
    conditions = "1 condition" if len(result.cases) == 1 else f"{len(result.cases)} conditions"
    table = Table(title=f"{result.title}: {count} photographs, {conditions}")
    table.add_column("method")
    for metric in metrics:
        table.add_column(METRICS[metric].title, justify="right")
    table.add_column("gain [95 %]", justify="right")
    if baseline:
        table.add_column(f"over {baseline} [95 %]", justify="right")
        table.add_column("retained", justify="right")
    for method in result.methods():
        cells = [mean_text(result.per_photo(method, m), m) for m in metrics]
        cells.append(_show(difference(result, method, DEGRADED, metrics[0]) if method != DEGRADED else None))
        if baseline:
            cells.append(
                _show(difference(result, method, baseline, metrics[0]) if method not in (DEGRADED, baseline) else None)
            )
            kept = retained(result, method, baseline, metrics[0]) if method != DEGRADED else None
            cells.append("" if kept is None else f"{kept:.1%}")
        table.add_row(method, *cells)
    return table


def _show(interval: Interval | None) -> str:
    return "" if interval is None else str(interval)


def suite_json(result: SuiteResult, metrics: tuple[str, ...], baseline: str | None) -> dict[str, Any]:
    """Plain JSON types. Infinite values are null; means are of the others, and `equal` counts the photographs that
    equal the truth."""
    methods = {}
    for method in result.methods():
        entry: dict[str, Any] = {m: finite_mean(result.per_photo(method, m))[0] for m in metrics}
        entry["equal"] = finite_mean(result.per_photo(method, metrics[0]))[1]
        for name, other in (("gain", DEGRADED), ("over_baseline", baseline)):
            interval = difference(result, method, other, metrics[0]) if other and method != other else None
            entry[name] = vars(interval) if interval else None
        entry["retained"] = retained(result, method, baseline, metrics[0]) if baseline and method != DEGRADED else None
        methods[method] = entry
    cases = {
        case: {
            score.method: {
                **{m: [_finite(v) for v in score.values[m]] for m in metrics},
                **({"setting": score.setting} if score.setting else {}),
            }
            for score in scores
        }
        for case, scores in result.cases.items()
    }
    return {"title": result.title, "methods": methods, "cases": cases}


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def edge_table(rows: dict[str, dict[str, float]]) -> Table:
    """Slanted edges and flat grey, by method."""
    table = Table(title="edges and noise: slanted edge blurred by 1.6, grey with noise 5/255")
    for heading in ("method", "MTF50 cycles/px", "overshoot", "undershoot", "noise gain"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    for method, row in rows.items():
        table.add_row(
            method, f"{row['mtf50']:.3f}", f"{100 * row['overshoot']:.1f} %", f"{100 * row['undershoot']:.1f} %",
            f"{row['noise_gain']:.2f}",
        )  # fmt: skip
    return table
