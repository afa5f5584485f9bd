"""`ensharpen-bench history`: how times went, and where they jumped."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.table import Table

from ensharpen_edge.benchmarks.change_points import change_points
from ensharpen_edge.benchmarks.commands.options import Json
from ensharpen_edge.benchmarks.history_plot import plot_history
from ensharpen_edge.benchmarks.records import Record, read_records
from ensharpen_edge.console import print_json, stderr, stdout


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
    records, problems = read_records(path)
    for problem in problems:
        stderr().print(f"warning: {problem}")
    series: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        series.setdefault((record.benchmark, record.machine.key), []).append(record)
    jumps = {key: change_points([record.milliseconds for record in rows]) for key, rows in series.items()}
    target = out or path.with_suffix(".png")
    if json_output:
        entries = [
            {
                "benchmark": benchmark,
                "machine": machine,
                "results": len(rows),
                "jumps": [
                    {"time": rows[i].time, "label": rows[i].label, "index": i} for i in jumps[benchmark, machine]
                ],
            }
            for (benchmark, machine), rows in series.items()
        ]
        print_json({"series": entries, "unreadable": problems, "plot": str(target)})
        plot_history(series, jumps, target)
        return
    table = Table(title=f"{path.name}: {len(records)} results")
    for heading in ("benchmark", "machine", "results", "first ms", "last ms", "jumps"):
        table.add_column(heading, justify="right" if heading in ("results", "first ms", "last ms") else "left")
    for (benchmark, machine), rows in series.items():
        first, last = rows[0].milliseconds, rows[-1].milliseconds
        text = ", ".join(_jump(rows, index) for index in jumps[benchmark, machine])
        table.add_row(benchmark, machine, str(len(rows)), f"{first:.2f}", f"{last:.2f}", text or "none")
    stdout().print(table)
    stdout().print(f"plot: {target}")
    plot_history(series, jumps, target)


def _jump(rows: list[Record], index: int) -> str:
    before, after = rows[max(0, index - 5) : index], rows[index : index + 5]
    change = median(row.milliseconds for row in after) / median(row.milliseconds for row in before) - 1
    return f"{change:+.1%} at {rows[index].label or rows[index].time}"
