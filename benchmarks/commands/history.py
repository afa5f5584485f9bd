"""`ensharpen-bench history`: how times went, and where they jumped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ensharpen_edge.benchmarks.history.plot import plot_history
from ensharpen_edge.benchmarks.history.series import History, Jump, read_history
from ensharpen_edge.console import Json, print_json, print_warnings, stdout, table


def history(
    path: Annotated[Path, typer.Argument(help="File that `latency --append` wrote.")],
    out: Annotated[Path | None, typer.Option(help="Plot, PNG or SVG. Default: beside the file.")] = None,
    json_output: Json = False,
) -> None:
    """Plot the history of every benchmark on every machine, with the points where its level jumped.

    Lines that cannot be read are named and passed over; the file is not changed.

    [bold]Example[/]

      ensharpen-bench history results.jsonl --out history.png
    """
    found = read_history(path)
    target = out or path.with_suffix(".png")
    print_warnings(found.unreadable)
    if json_output:
        print_json({**found.to_dict(), "plot": str(target)})
    else:
        stdout().print(_table(found, path.name))
        stdout().print(f"plot: {target}")
    plot_history(found.series, target)


def _table(found: History, name: str) -> Table:
    texts = ("benchmark", "machine", "jumps")
    headings = ("benchmark", "machine", "results", "first ms", "last ms", "jumps")
    rows = table(f"{name}: {found.results} results", headings, left=texts)
    for series in found.series:
        ends = (f"{series.records[place].milliseconds:.2f}" for place in (0, -1))
        jumps = ", ".join(map(_text, series.jumps)) or "none"
        rows.add_row(series.benchmark, series.machine, str(len(series.records)), *ends, jumps)
    return rows


def _text(jump: Jump) -> str:
    return f"{jump.change:+.1%} at {jump.record.label or jump.record.time}"
