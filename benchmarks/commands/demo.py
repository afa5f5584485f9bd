"""`ensharpen-bench demo`: before, after and ground truth on a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ensharpen_edge.benchmarks.commands.options import Threads
from ensharpen_edge.console import Json, print_json, stdout, table
from ensharpen_edge.demo.build import SOFTNESS, DemoRequest, build_demo


def demo(
    artifact: Annotated[Path, typer.Argument(help="Artifact folder.")],
    photos: Annotated[Path, typer.Option(help="Folder of sharp photographs.")],
    out: Annotated[Path, typer.Option(help="Folder for the page.")] = Path("build/demo"),
    threads: Threads = 0,
    json_output: Json = False,
) -> None:
    """Blur photographs, sharpen them, and write a page with before, after and ground truth.

    Exit code 5 when a photograph comes out worse than it went in.

    [bold]Example[/]

      ensharpen-bench demo build/nano-onnx-fp32 --photos tests/photographs
    """
    result = build_demo(DemoRequest(artifact, photos, out, threads))
    if json_output:
        print_json(result.to_dict())
    else:
        rows = table(
            f"{artifact.name}, blur {SOFTNESS.blur:g}, noise {SOFTNESS.noise:g}/255",
            ("photograph", "blurred dB", "sharpened dB", "gain", "ms"),
            left=["photograph"],
        )
        for row in result.rows:
            scores = (f"{row.before:.2f}", f"{row.after:.2f}", f"{row.gain:+.2f}", f"{row.milliseconds:.0f}")
            rows.add_row(row.name, *scores)
        stdout().print(rows)
        stdout().print(f"page: {result.page.resolve()}")
    result.check()
