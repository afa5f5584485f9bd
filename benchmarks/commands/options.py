"""Arguments and options that several subcommands share."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from ensharpen_edge.benchmarks.machine import machine_state
from ensharpen_edge.benchmarks.regression import BUSY
from ensharpen_edge.console import stderr
from ensharpen_edge.errors import UsageError

Artifacts = Annotated[list[Path], typer.Argument(help="Artifact folders.")]
Json = Annotated[bool, typer.Option("--json", help="Report as JSON on standard output.")]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes all cores.")]
Side = Annotated[int, typer.Option("--size", min=8, help="Side of the timed image, for artifacts that take any size.")]


def parse_milliseconds(text: str) -> float:
    """`20ms`, `0.02s` or `20` as milliseconds.

    Raises:
        UsageError: Anything else.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s)?", text.strip())
    if match is None:
        raise UsageError(f"not a time: {text!r}", hint="20ms or 0.02s")
    return float(match[1]) * (1000.0 if match[2] == "s" else 1.0)


def warn_if_busy(noise: float, enough: bool = True) -> list[str]:
    """Warn, on standard error, of what makes times worth less; returns the warnings.

    Args:
        noise: Of the times, see `statistics.Summary`.
        enough: Whether all medians became as precise as wanted.
    """
    warnings = []
    if noise > BUSY:
        warnings.append(f"a busy machine: times vary by {noise:.0%}")
    load, cores = machine_state().load, os.cpu_count() or 1
    if load is not None and load > cores:
        warnings.append(f"a busy machine: {load:.1f} processes want its {cores} cores")
    if not enough:
        warnings.append("the rounds ran out before all medians were known to 2 %")
    for warning in warnings:
        stderr().print(f"warning: {warning}")
    return warnings
