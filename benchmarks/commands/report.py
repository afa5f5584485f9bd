"""`ensharpen-bench report`: one page of everything."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from ensharpen_edge.benchmarks.commands.options import Artifacts, Photographs, Side
from ensharpen_edge.benchmarks.report.collect import collect
from ensharpen_edge.benchmarks.report.page import render_report
from ensharpen_edge.benchmarks.speed.latency import effort_for
from ensharpen_edge.console import print_warnings, status, stdout
from ensharpen_edge.files import check_destinations, write_file
from ensharpen_edge.imaging.photo_folder import photos_of


def report(
    artifacts: Artifacts,
    out: Annotated[Path, typer.Option(help="The page.")] = Path("build/report.html"),
    data: Photographs = None,
    limit: Annotated[int, typer.Option(min=1, help="Photographs of each folder.")] = 8,
    size: Side = 256,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes OMP_NUM_THREADS, or all cores.")] = 1,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Timed rounds. Default: until medians are known to 2 %.")
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the page when it is done.")] = False,
) -> None:
    """Write one HTML page of everything: quality, latency, before and after, errors, operators, origins.

    The page loads nothing from a network.

    Arguments are artifacts or folders of them; what is neither (reports, tables) is passed over. An artifact that
    cannot be timed here is judged all the same and marked; one whose backend is missing is listed with the reason.

    [bold]Example[/]

      ensharpen-bench report build/* --open
    """
    photos = photos_of(data or (), limit)
    check_destinations(out)
    effort = effort_for(threads, rounds)
    with status("measuring") as show_progress:
        collected = collect(artifacts, photos, (size, size), threads, effort, progress=show_progress)
    write_file(out, render_report(collected).encode())
    print_warnings(collected.warnings)
    for entry in collected.entries:
        if entry.note:
            stdout().print(f"{entry.name}: {entry.note}")
    stdout().print(f"page: {out.resolve()}")
    if show:
        webbrowser.open(out.resolve().as_uri())
