"""`ensharpen-bench peers`: artifacts beside classical methods and other networks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ensharpen_edge.benchmarks.commands.options import Artifacts, Photographs, Side
from ensharpen_edge.benchmarks.peers.contest import Contest, Standing, contest_cases, run_contest
from ensharpen_edge.benchmarks.peers.networks.registry import NETWORKS
from ensharpen_edge.benchmarks.peers.pareto import plot_pareto
from ensharpen_edge.benchmarks.quality.classical.methods import CLASSICAL
from ensharpen_edge.benchmarks.speed.busy_machine import timing_warnings
from ensharpen_edge.benchmarks.speed.subjects import find_artifacts
from ensharpen_edge.benchmarks.speed.timing import Effort
from ensharpen_edge.console import Json, print_json, print_warnings, status, stdout, table
from ensharpen_edge.files import check_destinations
from ensharpen_edge.imaging.photo_folder import photos_of


def peers(
    artifacts: Artifacts,
    data: Photographs = None,
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
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes OMP_NUM_THREADS, or all cores.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, help="Timed rounds.")] = 7,
    out: Annotated[Path, typer.Option(help="Picture of quality against time.")] = Path("build/peers.png"),
    json_output: Json = False,
) -> None:
    """Measure quality and speed of artifacts beside what else there is, in one run and on the same pixels.

    Methods that are told the kernel show what is possible, not what can be had: no photograph comes with its kernel.
    The best setting of a classical method is shown, chosen by the ground truth for each condition; the one that is
    best in the first condition is timed, on one thread.
    Public networks are built from their published hyper-parameters with random weights, so only their speed counts.

    [bold]Example[/]

      ensharpen-bench peers build/nano-onnx-fp32 --data CBSD68 --limit 20
    """
    contest = Contest(
        find_artifacts(artifacts),
        _chosen(method, CLASSICAL),
        _chosen(network, NETWORKS),
        onnx or [],
        contest_cases(kernels),
        photos_of(data or (), limit),
        (size, size),
        threads,
    )
    check_destinations(out)
    with status("measuring") as show:
        result = run_contest(contest, Effort(fewest=rounds, most=rounds), show)
    if json_output:
        print_json({**result.to_dict(), "plot": str(out)})
    else:
        stdout().print(_table(result.standings, contest))
        for entry in result.not_run:
            stdout().print(f"{entry.name}: {entry.reason}")
        stdout().print(f"plot: {out}")
    print_warnings(timing_warnings(result.noise))
    plot_pareto(result.standings, out)


def _chosen(wanted: list[str] | None, known: Iterable[str]) -> list[str]:
    """Return the names asked for: all that are known by default, none for `none`."""
    return [] if wanted == ["none"] else list(wanted or known)


def _table(standings: Sequence[Standing], contest: Contest) -> Table:
    conditions = [case.name for case in contest.cases]
    rows = table(
        f"{len(contest.photos)} photographs, PSNR in dB; times of {contest.size[0]}x{contest.size[1]}, "
        f"{contest.threads or 'all'} threads, interleaved",
        ("method", "kind", *conditions, "mean SSIM", "ms/MP"),
        left=("method", "kind"),
    )
    for standing in standings:
        cells = [f"{standing.psnr[name]:.2f}" if name in standing.psnr else "" for name in conditions]
        ssim = sum(standing.ssim.values()) / len(standing.ssim) if standing.ssim else None
        rows.add_row(
            standing.title + (f" ({standing.setting})" if standing.setting else ""),
            standing.kind,
            *cells,
            "" if ssim is None else f"{ssim:.4f}",
            "" if standing.per_megapixel is None else f"{standing.per_megapixel:.0f}",
        )
    return rows
