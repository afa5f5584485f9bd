"""`ensharpen-bench latency`: artifacts timed against each other."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from ensharpen_edge.benchmarks.commands.options import Json, Side
from ensharpen_edge.benchmarks.latency import EQUAL, Latency, compare_latency, effort_for
from ensharpen_edge.benchmarks.machine import Fingerprint, fingerprint, machine_state
from ensharpen_edge.benchmarks.operator_times import operator_times
from ensharpen_edge.benchmarks.records import Record, append_records, check_comparable, make_records, read_records
from ensharpen_edge.benchmarks.regression import BUSY
from ensharpen_edge.benchmarks.subjects import NotRun
from ensharpen_edge.console import print_json, stderr, stdout


def latency(
    artifacts: Annotated[
        list[Path], typer.Argument(help="Artifact folders; the first one is what the others are compared with.")
    ],
    size: Side = 512,
    threads: Annotated[list[int] | None, typer.Option(help="CPU threads; repeatable.")] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Timed rounds. Default: until medians are known to 2 %, at least 15.")
    ] = None,
    details: Annotated[bool, typer.Option(help="Also where a photograph's time goes, and memory.")] = True,
    operators: Annotated[bool, typer.Option("--operators", help="Operator by operator as well.")] = False,
    append: Annotated[Path | None, typer.Option(help="Add the results to this history (JSON lines).")] = None,
    label: Annotated[str, typer.Option(help="What the history calls this version, e.g. a commit.")] = "",
    against: Annotated[Path | None, typer.Option(help="Show the change against the last results in a history.")] = None,
    across_machines: Annotated[
        bool, typer.Option("--across-machines", help="Compare with another machine's times all the same.")
    ] = False,
    json_output: Json = False,
) -> None:
    """Time artifacts, interleaved: every round runs each of them once.

    Beside the times stands what the release gate saw: the loss of PSNR against the truth in the worst condition, and
    the worst photograph against the network. Artifacts that cannot be timed here are listed with the reason.
    Exit code 7: --against holds times of another machine.

    [bold]Examples[/]

      ensharpen-bench latency build/nano-onnx-fp32 build/nano-onnx-int8 --threads 1 --threads 2 --operators

      ensharpen-bench latency build/* --append results.jsonl --label v1.2
    """
    earlier = _earlier(against, across_machines)
    frame, counts = (size, size), threads or [1]
    rows: list[Latency] = []
    others: dict[str, NotRun] = {}
    with stderr().status("timing") as status:
        for count in counts:

            def show(done: int, count: int = count) -> None:
                status.update(f"timing, {count or 'all'} threads, round {done}")

            measured, skipped = compare_latency(artifacts, frame, count, effort_for(count, rounds), details, show)
            rows += measured
            others |= {entry.name: entry for entry in skipped}
    timed = {row.name for row in rows}
    profiles = {
        str(path): operator_times(path, frame, counts[0], rounds or 15)
        for path in artifacts
        if operators and path.name in timed
    }
    if append is not None:
        append_records(append, make_records(rows, label))
    if json_output:
        print_json(
            {
                "machine": dataclasses.asdict(fingerprint()),
                "state": dataclasses.asdict(machine_state()),
                "latency": [_row_json(row) for row in rows],
                "not_run": {entry.name: entry.reason for entry in others.values()},
                "operators": profiles,
            }
        )
        return
    console = stdout()
    console.print(_table(rows, earlier, frame))
    for entry in others.values():
        console.print(f"{entry.name}: {entry.reason}")
    for path, profile in profiles.items():
        text = ", ".join(f"{name} {milliseconds:.2f}" for name, milliseconds in profile.items())
        console.print(f"{path}, ms by operator ({counts[0]} threads): {text}")
    noise = max((row.summary.noise for row in rows), default=0.0)
    if noise > BUSY:
        stderr().print(f"warning: a busy machine: times vary by {noise:.0%}")


def _earlier(path: Path | None, across_machines: bool) -> dict[str, Record]:
    """The last result of every benchmark in a history."""
    if path is None:
        return {}
    records, problems = read_records(path)
    for problem in problems:
        stderr().print(f"warning: {problem}")
    here: Fingerprint = fingerprint()
    latest = {record.benchmark: record for record in records}
    if not across_machines:
        for record in latest.values():
            check_comparable(here, record.machine)
    return latest


def _row_json(row: Latency) -> dict[str, Any]:
    return {**dataclasses.asdict(row), "summary": dataclasses.asdict(row.summary)}


def _table(rows: list[Latency], earlier: dict[str, Record], frame: tuple[int, int]) -> Table:
    table = Table(title=f"{frame[0]}x{frame[1]}, interleaved; medians with what else is known of each artifact")
    left = ("artifact", "decode+pre+engine+post+encode")
    headings = ["artifact", "KiB", "drop dB", "worst vs network", "threads", "n", "min ms", "median ms", "p90", "p99"]
    headings += ["MP/s", "time against the first", "decode+pre+engine+post+encode", "peak MiB"]
    headings += ["against the history"] if earlier else []
    for heading in headings:
        table.add_column(heading, justify="left" if heading in left else "right")
    for row, record in zip(rows, make_records(rows, ""), strict=True):
        summary, split = row.summary, row.split
        steps = "" if split is None else " + ".join(f"{step:.1f}" for step in dataclasses.astuple(split))
        cells = [
            row.name,
            f"{row.kib:.0f}",
            f"{row.drop:.4f}",
            "same" if row.agreement >= EQUAL else f"{row.agreement:.1f} dB",
            str(row.threads or "all"),
            str(summary.count),
            *(f"{value:.2f}" for value in (summary.minimum, summary.median, summary.p90, summary.p99)),
            f"{1000 / row.per_megapixel:.2f}",
            f"{row.ratio:.2f}",
            steps,
            "" if row.peak_mib is None else f"{row.peak_mib:.0f}",
        ]
        if earlier:
            then = earlier.get(record.benchmark)
            cells.append(f"{summary.median / then.milliseconds - 1:+.1%}" if then else "new")
        table.add_row(*cells)
    return table
