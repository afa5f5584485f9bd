"""`ensharpen-bench latency`: artifacts timed against each other."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.benchmarks.commands.options import Json, Side, warn_if_busy
from ensharpen_edge.benchmarks.latency import EQUAL, Latency, compare_latency, effort_for
from ensharpen_edge.benchmarks.machine import fingerprint, machine_state
from ensharpen_edge.benchmarks.operator_times import has_operator_times, operator_times
from ensharpen_edge.benchmarks.records import (
    NotComparableError,
    Record,
    append_records,
    benchmark_name,
    check_machine,
    latest_comparable,
    make_records,
    read_records,
)
from ensharpen_edge.benchmarks.subjects import NotRun, find_artifacts
from ensharpen_edge.console import print_json, stderr, stdout
from ensharpen_edge.distinct_names import distinct_names
from ensharpen_edge.whole_file import check_destinations

_ENOUGH_FOR_P99 = 100


def latency(
    artifacts: Annotated[
        list[Path], typer.Argument(help="Artifact folders; the first one is what the others are compared with.")
    ],
    size: Side = 512,
    threads: Annotated[list[int] | None, typer.Option(min=0, help="CPU threads, 0 for all cores; repeatable.")] = None,
    rounds: Annotated[
        int | None,
        typer.Option(min=1, help="Timed rounds. Default: until medians are known to 2 %, from 15 to 200."),
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
    Exit code 7: --against holds times of another machine, or nothing can be timed here.

    [bold]Examples[/]

      ensharpen-bench latency build/nano-onnx-fp32 build/nano-onnx-int8 --threads 1 --threads 2 --operators

      ensharpen-bench latency build/* --append results.jsonl --label v1.2
    """
    folders, frame, counts = find_artifacts(artifacts), (size, size), threads or [1]
    # Read first: the file may be the one that is appended to.
    records, problems = read_records(against) if against is not None else ([], [])
    for problem in problems:
        stderr().print(f"warning: {problem}")
    check_destinations(append)
    check_machine(records, distinct_names(folders), across_machines)
    rows: list[Latency] = []
    others: dict[str, NotRun] = {}
    with stderr().status("timing") as status:
        for count in counts:

            def show(done: int, count: int = count) -> None:
                status.update(f"timing, {count or 'all'} threads, round {done}")

            measured, skipped = compare_latency(folders, frame, count, effort_for(count, rounds), details, show)
            rows += measured
            others |= {entry.name: entry for entry in skipped}
    profiles = _profiles(folders, rows, frame, counts[0], rounds or 15) if operators else {}
    if append is not None and rows:
        append_records(append, make_records(rows, label))  # before anything can refuse them
    earlier = latest_comparable(records, rows, across_machines)
    noise = max((row.summary.noise for row in rows), default=0.0)
    warnings = warn_if_busy(noise, all(row.enough for row in rows))
    if json_output:
        print_json(
            {
                "machine": dataclasses.asdict(fingerprint()),
                "state": dataclasses.asdict(machine_state()),
                "latency": [_row_json(row, earlier) for row in rows],
                "not_run": {entry.name: entry.reason for entry in others.values()},
                "operators": profiles,
                "warnings": warnings,
            }
        )
    else:
        _print(rows, earlier, details, others, profiles, counts[0])
    if not rows:
        raise NotComparableError("nothing could be timed here", hint="time it on a machine that runs it")


def _print(
    rows: list[Latency],
    earlier: dict[str, Record],
    details: bool,
    others: dict[str, NotRun],
    profiles: dict[str, dict[str, float]],
    threads: int,
) -> None:
    console = stdout()
    console.print(_table(rows, earlier))
    if details:
        console.print(_detail_table(rows))
    for entry in others.values():
        console.print(f"{entry.name}: {entry.reason}")
    for name, profile in profiles.items():
        text = ", ".join(f"{operator} {milliseconds:.2f}" for operator, milliseconds in profile.items())
        console.print(f"{name}, ms by operator ({threads or 'all'} threads): {text}")


def _profiles(
    folders: list[Path], rows: list[Latency], frame: tuple[int, int], threads: int, rounds: int
) -> dict[str, dict[str, float]]:
    """Of the timed artifacts whose runtime tells."""
    timed, found = {row.name for row in rows}, {}
    for name, path in zip(distinct_names(folders), folders, strict=True):
        artifact = Artifact.open(path)
        if name in timed and has_operator_times(artifact):
            found[name] = operator_times(artifact, frame, threads, rounds)
    return found


def _row_json(row: Latency, earlier: dict[str, Record]) -> dict[str, Any]:
    then = earlier.get(benchmark_name(row))
    return {
        **dataclasses.asdict(row),
        "summary": dataclasses.asdict(row.summary),
        "earlier_milliseconds": then.milliseconds if then else None,
    }


def _table(rows: list[Latency], earlier: dict[str, Record]) -> Table:
    table = Table(title="interleaved in one run; medians with their 95 % interval")
    headings = ["artifact", "KiB", "drop dB", "worst vs network", "size", "threads", "runs", "min ms", "median ms"]
    headings += ["p90", "p99", "MP/s", "time against the first", *(["against the history"] if earlier else [])]
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "artifact" else "right")
    for row in rows:
        summary = row.summary
        cells = [
            row.name,
            f"{row.kib:.0f}",
            f"{row.drop:.4f}",
            "same" if row.agreement >= EQUAL else f"{row.agreement:.1f} dB",
            f"{row.size[0]}x{row.size[1]}",
            str(row.threads or "all"),
            str(summary.count),
            f"{summary.minimum:.1f}",
            f"{summary.median:.1f} [{summary.low:.1f}, {summary.high:.1f}]",
            f"{summary.p90:.1f}",
            f"{summary.p99:.1f}" if summary.count >= _ENOUGH_FOR_P99 else "",
            f"{1000 / row.per_megapixel:.2f}",
            f"{row.ratio:.2f}",
        ]
        if earlier:
            then = earlier.get(benchmark_name(row))
            cells.append(f"{summary.median / then.milliseconds - 1:+.1%}" if then else "new")
        table.add_row(*cells)
    return table


def _detail_table(rows: list[Latency]) -> Table:
    table = Table(title="where a photograph's time goes, ms from JPEG to PNG, and the peak memory of a process for it")
    for heading in ("artifact", "threads", "decode", "pre", "engine", "post", "encode", "peak MiB"):
        table.add_column(heading, justify="left" if heading == "artifact" else "right")
    for row in rows:
        if row.split is not None and row.peak_mib is not None:
            steps = (f"{step:.1f}" for step in dataclasses.astuple(row.split))
            table.add_row(row.name, str(row.threads or "all"), *steps, f"{row.peak_mib:.0f}")
    return table
