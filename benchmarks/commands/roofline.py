"""`ensharpen-bench roofline`: how near a network comes to the machine's limits."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.benchmarks.commands.options import Json, Side
from ensharpen_edge.benchmarks.roofline import CODES, FLOAT, LayerRoof, Peaks, layer_roofs, measure_peaks
from ensharpen_edge.benchmarks.subjects import timed_size
from ensharpen_edge.console import print_json, stderr, stdout


def roofline(
    artifact: Annotated[Path, typer.Argument(help="An ONNX artifact.")],
    size: Side = 512,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, help="Runs that layers are averaged over.")] = 15,
    json_output: Json = False,
) -> None:
    """Measure this machine's peaks, then every layer of a network against what they allow.

    A layer's limit is its multiplications over the peak of its kind of convolution, or its bytes over the bandwidth,
    whichever takes longer. 100 % is the limit; layers whose data stay in the caches can exceed it.

    [bold]Example[/]

      ensharpen-bench roofline build/nano-onnx-fp32
    """
    opened = Artifact.open(artifact)
    frame = timed_size(opened, (size, size))
    with stderr().status("measuring") as status:
        peaks = measure_peaks(threads, lambda text: status.update(f"peak of {text}"))
        status.update("timing layers")
        roofs = layer_roofs(opened, frame, peaks, rounds)
    achieved = sum(r.node.milliseconds for r in roofs)
    attainable = sum(min(r.attainable, r.node.milliseconds) for r in roofs)  # a layer that is faster needs no faster
    if json_output:
        rates = [{"kind": kind, "numbers": numbers, "gmacs": rate} for (kind, numbers), rate in peaks.rates.items()]
        layers = [{**dataclasses.asdict(roof), "share": roof.share} for roof in roofs]
        print_json(
            {
                "threads": threads,
                "peaks": rates,
                "gigabytes_per_second": peaks.bandwidth,
                "layers": layers,
                "milliseconds": achieved,
                "attainable": attainable,
            }
        )
        return
    stdout().print(_peak_table(peaks))
    stdout().print(_layer_table(roofs, artifact.name, frame))
    stdout().print(
        f"whole network: {achieved:.2f} ms, the machine would allow {attainable:.2f} ms: {attainable / achieved:.0%}"
    )


def _peak_table(peaks: Peaks) -> Table:
    table = Table(
        title=f"this machine at its best, {peaks.threads} threads, GMAC/s; bandwidth {peaks.bandwidth:.1f} GB/s"
    )
    table.add_column("convolution")
    for numbers in (FLOAT, CODES):
        table.add_column(numbers, justify="right")
    for kind in dict.fromkeys(kind for kind, _ in peaks.rates):
        table.add_row(kind, *(f"{peaks.rates[kind, numbers]:.1f}" for numbers in (FLOAT, CODES)))
    return table


def _layer_table(roofs: list[LayerRoof], name: str, frame: tuple[int, int]) -> Table:
    table = Table(title=f"{name}, {frame[0]}x{frame[1]}")
    for heading in ("layer", "kind", "numbers", "MMAC", "MB", "ms", "limit ms", "limit/ms"):
        table.add_column(heading, justify="left" if heading in ("layer", "kind", "numbers") else "right")
    for roof in roofs:
        table.add_row(
            roof.node.name,
            roof.kind,
            roof.numbers,
            f"{1000 * roof.gmacs:.1f}",
            f"{roof.megabytes:.2f}",
            f"{roof.node.milliseconds:.3f}",
            f"{roof.attainable:.3f}",
            f"{roof.share:.0%}",
        )
    return table
