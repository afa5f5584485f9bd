"""`ensharpen-bench peers`: artifacts beside classical methods and other networks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ensharpen_edge.benchmarks.commands.options import Artifacts, Json, Side, warn_if_busy
from ensharpen_edge.benchmarks.peers.classical import CLASSICAL
from ensharpen_edge.benchmarks.peers.contest import Contest, Standing, run_contest
from ensharpen_edge.benchmarks.peers.networks.registry import NETWORKS
from ensharpen_edge.benchmarks.peers.pareto import plot_pareto
from ensharpen_edge.benchmarks.subjects import find_artifacts
from ensharpen_edge.benchmarks.suites import SUITES, Case, levin_cases, photo_files
from ensharpen_edge.benchmarks.timing import Effort
from ensharpen_edge.console import print_json, stderr, stdout
from ensharpen_edge.errors import unknown_name
from ensharpen_edge.imaging.bundled import bundled_photos
from ensharpen_edge.imaging.decode import read_photo
from ensharpen_edge.whole_file import check_destinations

_CONDITIONS = ("gaussian 1.6/2.55", "gaussian 2/2.55", "disk 2.5")


def peers(
    artifacts: Artifacts,
    data: Annotated[
        list[Path] | None, typer.Option(help="Folder of sharp photographs; repeatable. Default: those in the package.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Only so many photographs of each folder; 0 takes all.")] = 0,
    kernels: Annotated[Path | None, typer.Option(help="Camera-shake kernels, an npz file: more conditions.")] = None,
    method: Annotated[
        list[str] | None, typer.Option(help=f"Classical: {', '.join(CLASSICAL)}. Repeatable; default: all.")
    ] = None,
    network: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Public networks, for speed: {', '.join(NETWORKS)}. Repeatable; default: all, 'none': none."
        ),
    ] = None,
    onnx: Annotated[list[Path] | None, typer.Option(help="Any ONNX file from image to image; repeatable.")] = None,
    size: Side = 256,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes all cores.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, help="Timed rounds.")] = 7,
    out: Annotated[Path, typer.Option(help="Picture of quality against time.")] = Path("build/peers.png"),
    json_output: Json = False,
) -> None:
    """Quality and speed of artifacts beside what else there is, in one run and on the same pixels.

    Methods that are told the kernel show what is possible, not what can be had: no photograph comes with its kernel.
    Of a classical method's settings the best is shown, chosen by the ground truth for each condition; the one that is
    best in the first condition is timed, on one thread.
    Public networks are built from their published hyper-parameters with random weights, so only their speed counts.

    [bold]Example[/]

      ensharpen-bench peers build/nano-onnx-fp32 --data CBSD68 --limit 20
    """
    photos = bundled_photos()
    if data:
        files = [file for folder in data for file in photo_files(folder)[: limit or None]]
        photos = [(file.name, read_photo(file).rgb) for file in files]
    contest = Contest(
        find_artifacts(artifacts),
        _known("method", method, CLASSICAL),
        _known("network", network, NETWORKS),
        onnx or [],
        _cases(kernels),
        photos,
        (size, size),
        threads,
    )
    check_destinations(out)
    with stderr().status("measuring") as status:
        standings, absent = run_contest(contest, Effort(fewest=rounds, most=rounds), status.update)
    if json_output:
        print_json(
            {
                "standings": [dataclasses.asdict(standing) for standing in standings],
                "not_run": {entry.name: entry.reason for entry in absent},
                "plot": str(out),
            }
        )
    else:
        stdout().print(_table(standings, contest))
        for entry in absent:
            stdout().print(f"{entry.name}: {entry.reason}")
        stdout().print(f"plot: {out}")
    warn_if_busy(max(standing.noise for standing in standings))
    plot_pareto(standings, out)


def _known(kind: str, wanted: list[str] | None, registry: Mapping[str, object]) -> list[str]:
    if wanted == ["none"]:
        return []
    for name in wanted or ():
        if name not in registry:
            raise unknown_name(kind, name, registry)
    return list(wanted or registry)


def _cases(kernels: Path | None) -> list[Case]:
    named = {case.name: case for cases in SUITES.values() for case in cases}
    return [named[name] for name in _CONDITIONS] + list(levin_cases(kernels) if kernels else ())


def _table(standings: list[Standing], contest: Contest) -> Table:
    conditions = [case.name for case in contest.cases]
    table = Table(
        title=f"{len(contest.photos)} photographs, PSNR in dB; times of {contest.size[0]}x{contest.size[1]}, "
        f"{contest.threads or 'all'} threads, interleaved"
    )
    table.add_column("method")
    table.add_column("kind")
    for heading in (*conditions, "mean SSIM", "ms/MP"):
        table.add_column(heading, justify="right")
    for standing in standings:
        cells = [f"{standing.psnr[name]:.2f}" if name in standing.psnr else "" for name in conditions]
        ssim = sum(standing.ssim.values()) / len(standing.ssim) if standing.ssim else None
        table.add_row(
            standing.title + (f" ({standing.setting})" if standing.setting else ""),
            standing.kind,
            *cells,
            "" if ssim is None else f"{ssim:.4f}",
            "" if standing.per_megapixel is None else f"{standing.per_megapixel:.0f}",
        )
    return table
