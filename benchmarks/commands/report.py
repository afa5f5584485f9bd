"""`ensharpen-bench report`: one page of everything."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from ensharpen_edge.benchmarks.commands.options import Artifacts, Side, warn_if_busy
from ensharpen_edge.benchmarks.latency import effort_for
from ensharpen_edge.benchmarks.report.collect import collect
from ensharpen_edge.benchmarks.report.page import render_report
from ensharpen_edge.benchmarks.subjects import find_artifacts
from ensharpen_edge.benchmarks.suites import photo_files
from ensharpen_edge.console import stderr, stdout
from ensharpen_edge.imaging.bundled import bundled_photos
from ensharpen_edge.imaging.decode import read_photo
from ensharpen_edge.whole_file import check_destinations, write_file


def report(
    artifacts: Artifacts,
    out: Annotated[Path, typer.Option(help="The page.")] = Path("build/report.html"),
    data: Annotated[
        list[Path] | None, typer.Option(help="Folder of sharp photographs; repeatable. Default: those in the package.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Photographs of each folder.")] = 8,
    size: Side = 256,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes all cores.")] = 1,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Timed rounds. Default: until medians are known to 2 %.")
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the page when it is done.")] = False,
) -> None:
    """One HTML page, nothing to load from a network: quality, latency, before and after, errors, operators, origins.

    Arguments are artifacts or folders of them; what is neither (reports, tables) is passed over. An artifact that
    cannot be timed here is judged all the same and marked; one whose backend is missing is listed with the reason.

    [bold]Example[/]

      ensharpen-bench report build/* --open
    """
    photos = bundled_photos()
    if data:
        photos = [(f.name, read_photo(f).rgb) for folder in data for f in photo_files(folder)[:limit]]
    check_destinations(out)
    with stderr().status("measuring") as status:
        collected = collect(
            find_artifacts(artifacts),
            photos,
            (size, size),
            threads,
            effort_for(threads, rounds),
            progress=status.update,
        )
    write_file(out, render_report(collected).encode())
    timed = [entry.latency for entry in collected.entries if entry.latency is not None]
    warn_if_busy(max((row.summary.noise for row in timed), default=0.0), all(row.enough for row in timed))
    for entry in collected.entries:
        if entry.note:
            stdout().print(f"{entry.name}: {entry.note}")
    stdout().print(f"page: {out.resolve()}")
    if show:
        webbrowser.open(out.resolve().as_uri())
