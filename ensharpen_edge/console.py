"""Shared by all commands: how text reaches the terminal, how errors end a command, how progress is shown."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from ensharpen_edge._version import __version__
from ensharpen_edge.errors import EnsharpenError
from ensharpen_edge.progress import Progress, as_text
from ensharpen_edge.visible_text import visible

Json = Annotated[bool, typer.Option("--json", help="Report as JSON on standard output.")]
"""The option of every command that machines read as well."""

_WORKFLOW_COMMAND = re.compile(r"^(\s*)(?=::)|(?<=#)(?=#\[)", re.MULTILINE)
"""Text that CI services take for an order: lines that begin with `::`, and `##[` anywhere (GitHub, Azure)."""


def harmless(text: str) -> str:
    """Return text that neither a terminal nor a CI service obeys: see `visible_text`; a backslash stands before what
    would be a workflow command.
    """
    return _WORKFLOW_COMMAND.sub(lambda found: (found[1] or "") + "\\", visible(text))


class _TextConsole(Console):
    """A console that prints text as it is, brackets and colons included, and control characters as their escapes."""

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        super().__init__(stderr=stderr, width=width, highlight=False, markup=False, emoji=False, soft_wrap=True)

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401 (passed on)
        """Make the text harmless before its width is measured."""
        return super().render_str(harmless(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Catch what came as a `Text`, and not through `render_str`."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


def stdout() -> Console:
    """Return the console for results: tables, and text as it is."""
    return _TextConsole(width=None if sys.stdout.isatty() else 200)  # files need no tables squeezed into 80 columns


def stderr() -> Console:
    """Return the console for progress, warnings and errors; standard output stays clean for `--json`."""
    return _TextConsole(stderr=True)


def print_error(error: EnsharpenError) -> None:
    """Print one line that says what is wrong, and one that says what to do."""
    console = stderr()
    console.print(Text.assemble(("error: ", "bold red"), harmless(str(error))))
    if error.hint:
        console.print(Text.assemble(("hint: ", "bold"), harmless(error.hint)))


def print_warnings(warnings: Iterable[str]) -> None:
    """Print a line for each warning, on standard error."""
    for warning in warnings:
        stderr().print(f"warning: {warning}")


def print_workflow_commands(lines: Iterable[str]) -> None:
    """Print lines that a CI service shall obey, as they are, on standard error; their writer has escaped the text."""
    for line in lines:
        sys.stderr.write(line + "\n")


def print_json(data: Any) -> None:  # noqa: ANN401 (any JSON value)
    """Print one JSON document on standard output."""
    sys.stdout.write(json.dumps(data, indent=2) + "\n")


def command_line(**settings: Any) -> typer.Typer:  # noqa: ANN401 (typer's own settings)
    """Return a command line of this project: help with markup, shell completion, errors as `run_command` shows them."""
    return typer.Typer(rich_markup_mode="rich", pretty_exceptions_enable=False, **settings)


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"{Path(sys.argv[0]).stem} {__version__}\n")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
]
"""The option that every command has."""


def table(title: str, headings: Sequence[str], left: Collection[str] = ()) -> Table:
    """Return an empty table.

    Args:
        title: Line above it.
        headings: Headings of its columns.
        left: Those of the headings whose columns hold text and are aligned to the left; numbers stand to the right.
    """
    made = Table(title=title)
    for heading in headings:
        made.add_column(heading, justify="left" if heading in left else "right")
    return made


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
def progress(quiet: bool = False) -> Iterator[ProgressBar]:
    """Show a progress bar on standard error; nothing is shown when that is no terminal, or when quiet."""
    console = stderr()
    bar = ProgressBar(
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


@contextmanager
def status(text: str) -> Iterator[Progress]:
    """Show what is going on, on a terminal's standard error; yields what says what is going on next.

    A `str` given to rich's own status is read as markup, and a folder's name may hold brackets.
    """
    with stderr().status(Text(harmless(text))) as shown:
        yield as_text(lambda news: shown.update(Text(harmless(news))))


@contextmanager
def show_progress(quiet: bool = False) -> Iterator[Progress]:
    """Yield a function that draws what it is told as one bar on standard error (see `progress`)."""
    with progress(quiet) as bar:
        task = bar.add_task("starting", total=None)

        def show(doing: str, done: int = 0, total: int = 0) -> None:
            if bar.tasks[0].description != doing:  # the time that is left is estimated anew for each work
                bar.reset(task, description=doing, total=total or None)
            bar.update(task, completed=done, total=total or None)

        yield show
