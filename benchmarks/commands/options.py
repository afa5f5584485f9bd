"""Arguments and options that several subcommands share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from ensharpen_edge.errors import UsageError

Artifacts = Annotated[list[Path], typer.Argument(help="Artifact folders.")]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes OMP_NUM_THREADS, or all cores.")]
Side = Annotated[int, typer.Option("--size", min=8, help="Side of the timed image, for artifacts that take any size.")]
Photographs = Annotated[
    list[Path] | None,
    typer.Option("--data", help="Folder of sharp photographs; repeatable. Default: those in the package."),
]


def parse_milliseconds(text: str) -> float:
    """Return `20ms`, `0.02s` or `20` as milliseconds.

    Raises:
        UsageError: The text is no such time.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s)?", text.strip())
    if match is None:
        raise UsageError(f"not a time: {text!r}", hint="20ms or 0.02s")
    return float(match[1]) * (1000.0 if match[2] == "s" else 1.0)
