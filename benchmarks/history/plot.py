"""The history of run times as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ensharpen_edge.benchmarks.figure import figure_text, load_pyplot, save_figure
from ensharpen_edge.benchmarks.history.series import Series


def plot_history(history: Sequence[Series], path: Path) -> None:
    """Draw one panel for each benchmark and machine: medians, their intervals, and jumps as lines with the label.

    Raises:
        MissingToolError: matplotlib is not installed.
        BadInputError: The picture cannot be written.
    """
    pyplot = load_pyplot()
    height = 2.6 * len(history)
    figure, axes = pyplot.subplots(len(history), 1, figsize=(9, height), squeeze=False, layout="constrained")
    for series, axis in zip(history, axes[:, 0], strict=True):
        rows = series.records
        places, middle = range(len(rows)), [row.milliseconds for row in rows]
        axis.fill_between(places, [row.low for row in rows], [row.high for row in rows], alpha=0.25, linewidth=0)
        axis.plot(places, middle, marker="o", markersize=3, linewidth=1)
        for jump in series.jumps:
            axis.axvline(jump.index - 0.5, color="tab:red", linewidth=1)
            axis.annotate(
                figure_text(jump.record.label or jump.record.time),
                (jump.index - 0.5, max(middle)),
                color="tab:red",
                fontsize=8,
                rotation=90,
                va="top",
                ha="right",
            )
        labels = [figure_text(row.label or row.time[:10]) for row in rows]
        step = max(1, len(rows) // 12)
        axis.set_xticks(list(places)[::step], labels[::step], rotation=30, ha="right", fontsize=7)
        axis.set_title(figure_text(f"{series.benchmark}, machine {series.machine}"), fontsize=9)
        axis.set_ylabel("ms")
        axis.grid(alpha=0.3)
    save_figure(figure, path)
