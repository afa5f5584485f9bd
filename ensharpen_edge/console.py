"""What all commands share: how errors end them and how progress is shown."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from ensharpen_edge.errors import EnsharpenError


def stdout() -> Console:
    """Console for results: tables, and text printed as it is, whatever brackets and colons it holds."""
    width = None if sys.stdout.isatty() else 200  # in a file, tables need not be squeezed into 80 columns
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True, width=width)


def stderr() -> Console:
    """Console for progress, warnings and errors; standard output stays clean for `--json`."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)


def print_error(error: EnsharpenError) -> None:
    """One line that says what is wrong, one that says what to do."""
    console = stderr()
    console.print(Text.assemble(("error: ", "bold red"), str(error)))
    if error.hint:
        console.print(Text.assemble(("hint: ", "bold"), error.hint))


def print_json(data: Any) -> None:  # noqa: ANN401 (any JSON value)
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(data, indent=2) + "\n")


def run_command(app: typer.Typer) -> None:
    """Run a command line and end the process with the documented exit code.

    Usage errors (exit 2) and interruptions are typer's own business; a command ends with another code by
    `raise typer.Exit(code)` or by any `EnsharpenError`.
    """
    try:
        app()
    except EnsharpenError as error:
        print_error(error)
        sys.exit(int(error.exit_code))


@contextmanager
def progress(quiet: bool = False) -> Iterator[Progress]:
    """A progress bar on standard error; shows nothing when that is no terminal, or when quiet."""
    console = stderr()
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )
    with bar:
        yield bar
