"""`ensharpen-bench demo`: before, after and ground truth on a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.benchmarks.commands.options import Threads
from ensharpen_edge.benchmarks.demo.build import CASE, build_demo
from ensharpen_edge.console import stdout
from ensharpen_edge.errors import QualityError


def demo(
    artifact: Annotated[Path, typer.Argument(help="Artifact folder.")],
    photos: Annotated[Path, typer.Option(help="Folder of sharp photographs.")],
    out: Annotated[Path, typer.Option(help="Folder for the page.")] = Path("build/demo"),
    threads: Threads = 0,
) -> None:
    """Blur photographs, sharpen them, and write a page with before, after and ground truth.

    Exit code 5 when a photograph comes out worse than it went in.

    [bold]Example[/]

      ensharpen-bench demo build/nano-onnx-fp32 --photos tests/data
    """
    rows = build_demo(Artifact.open(artifact), photos, out, threads)
    table = Table(title=f"{artifact.name}, blur {CASE.blur:g}, noise {CASE.noise:g}/255")
    for heading in ("photograph", "blurred dB", "sharpened dB", "gain", "ms"):
        table.add_column(heading, justify="left" if heading == "photograph" else "right")
    for row in rows:
        table.add_row(row.name, f"{row.before:.2f}", f"{row.after:.2f}", f"{row.gain:+.2f}", f"{row.milliseconds:.0f}")
    stdout().print(table)
    stdout().print(f"page: {(out / 'index.html').resolve()}")
    worse = [row.name for row in rows if row.gain <= 0]
    if worse:
        raise QualityError(f"not sharpened: {', '.join(worse)}")
