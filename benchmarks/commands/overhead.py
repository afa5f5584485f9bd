"""`ensharpen-bench overhead`: what the runtime adds to the network."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.benchmarks.commands.options import Json, Threads
from ensharpen_edge.benchmarks.overhead import measure_overhead, peak_memory, synthetic_photo
from ensharpen_edge.console import print_json, stdout
from ensharpen_edge.errors import UsageError
from ensharpen_edge.imaging.decode import read_photo
from ensharpen_edge.imaging.encode import write_photo
from ensharpen_edge.imaging.photo import Photo
from ensharpen_edge.runtime.pipeline import TileChoice


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
    """What the runtime adds to the bare network: time ratio tiled and untiled, and peak memory.

    [bold]Example[/]

      ensharpen-bench overhead build/nano-onnx-fp32 --photo photo.jpg --threads 2
    """
    opened = Artifact.open(artifact)
    source = read_photo(photo).rgb
    if min(source.shape[:2]) < 64:
        raise UsageError(f"{photo}: too small to build a test frame from")
    tilings: tuple[TileChoice, ...] = ("off", tile)
    results = measure_overhead(opened, synthetic_photo(source, megapixels), tilings, threads, rounds)
    peak = None
    if memory_megapixels:
        with tempfile.TemporaryDirectory() as folder:
            large = Path(folder) / "large.jpg"
            write_photo(Photo(synthetic_photo(source, memory_megapixels)), large)
            peak = peak_memory(artifact, large, "auto", threads)
    if json_output:
        print_json({"overhead": [dataclasses.asdict(r) for r in results], "peak_mib": peak})
        return
    table = Table(title=f"{artifact.name}, {megapixels:g} MP, medians of {rounds} interleaved rounds")
    for heading in (
        "tile",
        "windows",
        "engine s",
        "pipeline s",
        "file to file s",
        "pipeline/engine",
        "file/engine",
    ):
        table.add_column(heading, justify="right")
    for r in results:
        table.add_row(
            r.tiling, str(r.windows), f"{r.engine:.3f}", f"{r.pipeline:.3f}", f"{r.command:.3f}",
            f"{r.pipeline_ratio:.3f}", f"{r.command_ratio:.3f}",
        )  # fmt: skip
    stdout().print(table)
    if peak is not None:
        stdout().print(f"peak memory for {memory_megapixels:g} MP, tiled, file to file: {peak:.0f} MiB")
