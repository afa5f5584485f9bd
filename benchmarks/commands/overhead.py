"""`ensharpen-bench overhead`: what the runtime adds to the network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ensharpen_edge.benchmarks.commands.options import Threads
from ensharpen_edge.benchmarks.speed.overhead import OverheadRequest, measure_overhead
from ensharpen_edge.console import Json, print_json, stdout, table


def overhead(
    artifact: Annotated[Path, typer.Argument(help="Artifact folder.")],
    photo: Annotated[Path, typer.Option(help="A photograph to build the test frames from.")],
    megapixels: Annotated[float, typer.Option(min=0.1, help="Size of the timed frame.")] = 12.0,
    memory_megapixels: Annotated[float, typer.Option(min=0.0, help="Size of the memory test; 0 leaves it out.")] = 48.0,
    tile: Annotated[int, typer.Option(min=8, help="Tile side of the tiled variant.")] = 768,
    threads: Threads = 0,
    rounds: Annotated[int, typer.Option(min=1, help="Timed rounds; all variants take turns in each.")] = 5,
    json_output: Json = False,
) -> None:
    """Measure what the runtime adds to the bare network: time ratio tiled and untiled, and peak memory.

    [bold]Example[/]

      ensharpen-bench overhead build/nano-onnx-fp32 --photo photo.jpg --threads 2
    """
    result = measure_overhead(OverheadRequest(artifact, photo, megapixels, memory_megapixels, tile, threads, rounds))
    if json_output:
        print_json(result.to_dict())
        return
    rows = table(
        f"{artifact.name}, {megapixels:g} MP, medians of {rounds} interleaved rounds",
        ("tile", "windows", "engine s", "pipeline s", "file to file s", "pipeline/engine", "file/engine"),
    )
    for v in result.variants:
        seconds = (f"{value:.3f}" for value in (v.engine, v.pipeline, v.command, v.pipeline_ratio, v.command_ratio))
        rows.add_row(v.tiling, str(v.windows), *seconds)
    stdout().print(rows)
    if result.peak_mib is not None:
        stdout().print(f"peak memory for {memory_megapixels:g} MP, tiled, file to file: {result.peak_mib:.0f} MiB")
