"""Quality of every condition as Markdown tables, for guides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ensharpen_edge.benchmarks.markdown_table import markdown_row, markdown_text
from ensharpen_edge.benchmarks.quality.scoring import DEGRADED
from ensharpen_edge.benchmarks.quality.suite_result import SuiteResult, difference, mean_text
from ensharpen_edge.metrics.registry import METRICS
from ensharpen_edge.visible_text import one_line


def markdown_report(command: str, results: Sequence[SuiteResult], metrics: Sequence[str]) -> str:
    """Return one table per suite: a row per condition in the first metric, then means of every metric.

    Below stand the gain over the input with its interval (from 5 photographs on) and, per photograph over all
    conditions, the smallest gain; where the input equals the truth, the lowest value instead.

    Args:
        command: Command line that measured it.
        results: Measured suites.
        metrics: Names of the metrics, the first one decides.
    """
    head = f"Written by\n\n```sh\n{one_line(command)}\n```\n"
    return "\n".join([head, *(_suite(result, metrics) for result in results)])


def _suite(result: SuiteResult, metrics: Sequence[str]) -> str:
    methods, first, others = result.methods(), metrics[0], metrics[1:]
    start = result.per_photo(DEGRADED, first)
    lines = [
        f"### {markdown_text(result.title)}",
        "",
        f"{len(start)} photographs; {result.protocol}. {METRICS[first].title} where nothing else is said.",
        "",
        _row("", [markdown_text(method) for method in methods]),
        "|---|" + "---:|" * len(methods),
    ]
    for case, scores in result.cases.items():
        lines.append(_row(markdown_text(case), [mean_text(score.values[first], first) for score in scores]))
    for metric in [first] * (len(result.cases) > 1) + list(others):
        cells = [mean_text(result.per_photo(method, metric), metric) for method in methods]
        lines.append(_row(f"**{METRICS[metric].title}, mean**", cells))
    if not np.isfinite(start).all():
        cells = [mean_text([result.per_photo(method, first).min()], first) for method in methods]
        return "\n".join([*lines, _row("lowest", cells)]) + "\n"
    gains = [None if method == DEGRADED else difference(result, method, DEGRADED, first) for method in methods]
    if any(gains):
        lines.append(_row("gain [95 %]", ["" if gain is None else str(gain) for gain in gains]))
    smallest = [
        "" if method == DEGRADED else f"{(result.per_photo(method, first) - start).min():+.{METRICS[first].digits}f}"
        for method in methods
    ]
    return "\n".join([*lines, _row("smallest gain of a photograph", smallest)]) + "\n"


def _row(title: str, cells: Sequence[str]) -> str:
    return markdown_row((title, *cells))
