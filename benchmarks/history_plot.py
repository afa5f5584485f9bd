"""The history of run times as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ensharpen_edge.benchmarks.figure import save_figure
from ensharpen_edge.benchmarks.records import Record
from ensharpen_edge.errors import require

Series = Mapping[tuple[str, str], Sequence[Record]]


def plot_history(series: Series, jumps: Mapping[tuple[str, str], Sequence[int]], path: Path) -> None:
    """One panel for each benchmark and machine: medians, their intervals, and jumps as lines with the label.

    Raises:
        MissingToolError: matplotlib is not installed.
        BadInputError: The picture cannot be written.
    """
    matplotlib = require("matplotlib", "bench")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(series), 1, figsize=(9, 2.6 * len(series)), squeeze=False, layout="constrained")
    for (key, rows), axis in zip(series.items(), axes[:, 0], strict=True):
        places = range(len(rows))
        middle = [row.milliseconds for row in rows]
        axis.fill_between(places, [row.low for row in rows], [row.high for row in rows], alpha=0.25, linewidth=0)
        axis.plot(places, middle, marker="o", markersize=3, linewidth=1)
        for index in jumps[key]:
            axis.axvline(index - 0.5, color="tab:red", linewidth=1)
            axis.annotate(
                rows[index].label or rows[index].time,
                (index - 0.5, max(middle)),
                color="tab:red",
                fontsize=8,
                rotation=90,
                va="top",
                ha="right",
            )
        labels = [row.label or row.time[:10] for row in rows]
        step = max(1, len(rows) // 12)
        axis.set_xticks(list(places)[::step], labels[::step], rotation=30, ha="right", fontsize=7)
        axis.set_title(f"{key[0]}, machine {key[1]}", fontsize=9)
        axis.set_ylabel("ms")
        axis.grid(alpha=0.3)
    save_figure(figure, path)
