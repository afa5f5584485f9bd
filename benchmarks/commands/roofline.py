"""`ensharpen-bench roofline`: how near a network comes to the machine's limits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ensharpen_edge.benchmarks.commands.options import Side
from ensharpen_edge.benchmarks.speed.roofline import (
    CODES,
    FLOAT,
    Peaks,
    Roofline,
    RooflineRequest,
    measure_roofline,
)
from ensharpen_edge.console import Json, print_json, status, stdout, table


def roofline(
    artifact: Annotated[Path, typer.Argument(help="An ONNX artifact.")],
    size: Side = 512,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, help="Runs of every layer; the median counts.")] = 15,
    json_output: Json = False,
) -> None:
    """Measure this machine's peaks, then every layer of a network against what they allow.

    A layer's limit is its multiplications over the peak of its kind of convolution, or its bytes over the bandwidth,
    whichever takes longer. 100 % is the limit; layers whose data stay in the caches can exceed it.

    [bold]Example[/]

      ensharpen-bench roofline build/nano-onnx-fp32
    """
    with status("measuring") as show:
        result = measure_roofline(RooflineRequest(artifact, (size, size), threads, rounds), show)
    if json_output:
        print_json(result.to_dict())
        return
    stdout().print(_peak_table(result.peaks))
    stdout().print(_layer_table(result, artifact.name))
    taken, allowed = result.milliseconds, result.attainable
    stdout().print(f"whole network: {taken:.2f} ms, the machine would allow {allowed:.2f} ms: {allowed / taken:.0%}")


def _peak_table(peaks: Peaks) -> Table:
    rows = table(
        f"this machine at its best, {peaks.threads} threads, GMAC/s; bandwidth {peaks.bandwidth:.1f} GB/s",
        ("convolution", FLOAT, CODES),
        left=["convolution"],
    )
    for kind in dict.fromkeys(kind for kind, _ in peaks.rates):
        rows.add_row(kind, *(f"{peaks.rates[kind, numbers]:.1f}" for numbers in (FLOAT, CODES)))
    return rows


def _layer_table(result: Roofline, name: str) -> Table:
    texts = ("layer", "kind", "numbers")
    headings = (*texts, "MMAC", "MB", "ms", "limit ms", "limit/ms")
    rows = table(f"{name}, {result.size[0]}x{result.size[1]}", headings, left=texts)
    for layer in result.layers:
        rows.add_row(
            layer.node.name,
            layer.kind,
            layer.numbers,
            f"{1000 * layer.gmacs:.1f}",
            f"{layer.megabytes:.2f}",
            f"{layer.node.milliseconds:.3f}",
            f"{layer.attainable:.3f}",
            f"{layer.share:.0%}",
        )
    return rows
