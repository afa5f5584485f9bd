"""`ensharpen-bench latency`: artifacts timed against each other."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ensharpen_edge.benchmarks.commands.options import Side
from ensharpen_edge.benchmarks.history.records import Record, benchmark_name
from ensharpen_edge.benchmarks.history.tracking import HistoryRequest, TrackedLatency, track_latency
from ensharpen_edge.benchmarks.speed.latency import EQUAL, Latency
from ensharpen_edge.benchmarks.speed.measurement import LatencyRequest
from ensharpen_edge.console import Json, print_json, print_warnings, status, stdout, table

_ENOUGH_FOR_P99 = 100


def latency(
    artifacts: Annotated[
        list[Path], typer.Argument(help="Artifact folders; the first one is what the others are compared with.")
    ],
    size: Side = 512,
    threads: Annotated[
        list[int] | None, typer.Option(min=0, help="CPU threads, 0 for OMP_NUM_THREADS, or all cores; repeatable.")
    ] = None,
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
    counts, frame = tuple(threads or (1,)), (size, size)
    request = LatencyRequest(tuple(artifacts), frame, counts, rounds, details, operators)
    with status("timing") as show:
        result = track_latency(request, HistoryRequest(append, label, against, across_machines), show)
    print_warnings((*result.unreadable, *result.latency.warnings))
    if json_output:
        print_json(result.to_dict())
    else:
        _print(result, details, counts[0])
    result.check()


def _print(result: TrackedLatency, details: bool, threads: int) -> None:
    console, latency = stdout(), result.latency
    console.print(_table(latency.rows, result.earlier))
    if details:
        console.print(_detail_table(latency.rows))
    for entry in latency.not_run:
        console.print(f"{entry.name}: {entry.reason}")
    for name, profile in latency.operators.items():
        text = ", ".join(f"{operator} {milliseconds:.2f}" for operator, milliseconds in profile.items())
        console.print(f"{name}, ms by operator ({threads or 'all'} threads): {text}")


def _table(latencies: Sequence[Latency], earlier: Mapping[str, Record]) -> Table:
    headings = ["artifact", "KiB", "drop dB", "worst vs network", "size", "threads", "runs", "min ms", "median ms"]
    headings += ["p90", "p99", "MP/s", "time against the first", *(["against the history"] if earlier else [])]
    rows = table("interleaved in one run; medians with their 95 % interval", headings, left=["artifact"])
    for row in latencies:
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
        rows.add_row(*cells)
    return rows


def _detail_table(latencies: Sequence[Latency]) -> Table:
    rows = table(
        "where a photograph's time goes, ms from JPEG to PNG, and the peak memory of a process for it",
        ("artifact", "threads", "decode", "pre", "engine", "post", "encode", "peak MiB"),
        left=["artifact"],
    )
    for row in latencies:
        if row.split is not None and row.peak_mib is not None:
            steps = (f"{step:.1f}" for step in dataclasses.astuple(row.split))
            rows.add_row(row.name, str(row.threads or "all"), *steps, f"{row.peak_mib:.0f}")
    return rows
