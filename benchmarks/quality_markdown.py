"""Quality of every condition as Markdown tables, for README and guides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ensharpen_edge.benchmarks.quality import DEGRADED, Score
from ensharpen_edge.benchmarks.quality_report import SuiteResult, difference
from ensharpen_edge.metrics.registry import METRICS


def markdown_report(command: str, results: Sequence[SuiteResult], metrics: tuple[str, ...]) -> str:
    """One table per suite: a row per condition in the first metric, then means of all, gains and worst gains.

    Args:
        command: That measured it.
        results: Of it.
        metrics: Names, the first one decides.
    """
    head = f"Written by\n\n```sh\n{command}\n```\n"
    return "\n".join([head, *(_suite(result, metrics) for result in results)])


def _suite(result: SuiteResult, metrics: tuple[str, ...]) -> str:
    methods, (first, *others) = result.methods(), metrics
    photographs = len(next(iter(result.cases.values()))[0].values[first])
    lines = [
        f"### {result.title}",
        "",
        f"{photographs} photographs; {METRICS[first].title} where nothing else is said.",
        "",
        _row("", methods),
        "|---|" + "---:|" * len(methods),
    ]
    for case, scores in result.cases.items():
        lines.append(_row(case, [_value(score.mean(first), first) for score in scores]))
    if len(result.cases) > 1:
        lines.append(_means(result, first))
    lines += [_means(result, metric) for metric in others]
    gains = [None if m == DEGRADED else difference(result, m, DEGRADED, first) for m in methods]
    if any(gains):
        lines.append(_row("gain [95 %]", ["" if gain is None else str(gain) for gain in gains]))
        lines.append(_row("worst photograph's gain", [_worst(result, m, first) for m in methods]))
    lines += [_row("lowest", [_lowest(scores, first) for scores in _by_method(result)])] if not any(gains) else []
    return "\n".join(lines) + "\n"


def _by_method(result: SuiteResult) -> list[list[Score]]:
    return [list(scores) for scores in zip(*result.cases.values(), strict=True)]


def _row(title: str, cells: Sequence[str]) -> str:
    return f"| {title} | " + " | ".join(cells) + " |"


def _value(value: float, metric: str) -> str:
    return f"{value:.{METRICS[metric].digits}f}" if np.isfinite(value) else "equal"


def _means(result: SuiteResult, metric: str) -> str:
    cells = [_value(float(result.per_photo(method, metric).mean()), metric) for method in result.methods()]
    return _row(f"**{METRICS[metric].title}, mean**", cells)


def _worst(result: SuiteResult, method: str, metric: str) -> str:
    if method == DEGRADED:
        return ""
    gains = [
        np.asarray(score.values[metric]) - np.asarray(scores[0].values[metric])
        for scores in result.cases.values()
        for score in scores
        if score.method == method
    ]
    return f"{np.min(gains):+.2f}"


def _lowest(scores: Sequence[Score], metric: str) -> str:
    return _value(min(min(score.values[metric]) for score in scores), metric)
