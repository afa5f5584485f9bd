"""`ensharpen-bench quality`: how well artifacts sharpen."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ensharpen_edge.benchmarks.commands.options import Artifacts, Threads
from ensharpen_edge.benchmarks.quality.bootstrap import Interval
from ensharpen_edge.benchmarks.quality.card_scores import record_scores
from ensharpen_edge.benchmarks.quality.classical.oracles import ORACLES
from ensharpen_edge.benchmarks.quality.contact_sheet import write_contact_sheet
from ensharpen_edge.benchmarks.quality.markdown_tables import markdown_report
from ensharpen_edge.benchmarks.quality.measurement import QualityRequest, QualityResult, measure_quality
from ensharpen_edge.benchmarks.quality.protocol import GaussianCase
from ensharpen_edge.benchmarks.quality.scoring import DEGRADED
from ensharpen_edge.benchmarks.quality.selection import Selection
from ensharpen_edge.benchmarks.quality.suite_result import SuiteResult, difference, mean_text, retained
from ensharpen_edge.benchmarks.quality.suites import FROM_FILE, SUITES
from ensharpen_edge.console import Json, print_json, show_progress, stdout, table
from ensharpen_edge.files import check_destinations, write_file
from ensharpen_edge.metrics.registry import METRICS


def quality(
    artifacts: Artifacts,
    data: Annotated[
        list[Path] | None, typer.Option(help="Folder of sharp photographs, e.g. CBSD68. Repeatable.")
    ] = None,
    suite: Annotated[
        list[str] | None,
        typer.Option(help=f"Conditions: {', '.join((*SUITES, *FROM_FILE))}. Repeatable; replaces --blur and --noise."),
    ] = None,
    pairs: Annotated[
        Path | None, typer.Option(help="Folder of real pairs: files of one name in blur/ and sharp/.")
    ] = None,
    kernels: Annotated[
        Path | None, typer.Option(help="Kernels of the suites levin and levin-centred, an npz file.")
    ] = None,
    edges: Annotated[bool, typer.Option("--edges", help="Also measure a slanted edge and flat noise.")] = False,
    blur: Annotated[float, typer.Option(min=0.1, help="Gaussian blur, standard deviation in pixels.")] = 1.6,
    noise: Annotated[float, typer.Option(min=0.0, help="Gaussian noise, standard deviation in code values.")] = 2.55,
    metrics: Annotated[str, typer.Option(help=f"Comma-separated: {', '.join(METRICS)}.")] = "psnr,psnr-y,ssim",
    baseline: Annotated[
        Path | None, typer.Option(help="One of the artifacts, which the others are compared with.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Only so many photographs of each folder; 0 takes all.")] = 0,
    oracle: Annotated[
        list[str] | None,
        typer.Option(help=f"Also a method that is told the kernel: {', '.join(ORACLES)}. Repeatable."),
    ] = None,
    wrap: Annotated[
        bool,
        typer.Option("--wrap", help="Continue photographs beyond their edges as their circular blur did."),
    ] = False,
    self_ensemble: Annotated[
        int, typer.Option(help="Also measure the mean of 2, 4 or 8 mirrored and turned views, as ensharpen-run offers.")
    ] = 1,
    markdown: Annotated[Path | None, typer.Option(help="Write tables of every condition, as Markdown.")] = None,
    sheet: Annotated[Path | None, typer.Option(help="Write a contact sheet of crops, a PNG file.")] = None,
    card: Annotated[
        list[Path] | None, typer.Option(help="Record the scores of its weights on this checkpoint card. Repeatable.")
    ] = None,
    threads: Threads = 0,
    json_output: Json = False,
) -> None:
    """Quality on degraded photographs and real pairs, beside the input and the best unsharp mask.

    Protocol of the deblurring literature: circular borders, noise from seed 0 for every image, not clipped; output
    rounded to 8 bits, no cropped border. What those borders cost methods that are given the photograph alone shows
    with --wrap. Intervals are paired bootstraps over the photographs, 95 %.

    [bold]Examples[/]

      ensharpen-bench quality build/nano-onnx-fp32 --data CBSD68 --blur 1.6 --noise 2.55

      ensharpen-bench quality build/a build/b --data Kodak24 --suite gaussian --pairs gopro_pairs --baseline build/a

      ensharpen-bench quality build/nano-onnx-fp32 --data CBSD68 --suite gaussian --suite disk --oracle wiener
      --markdown quality.md --sheet quality.png
    """
    request = QualityRequest(
        tuple(artifacts),
        Selection(tuple(data or ()), tuple(suite or ()), pairs, kernels, GaussianCase(blur, noise), limit),
        tuple(name.strip() for name in metrics.split(",")),
        baseline,
        tuple(oracle or ()),
        wrap,
        edges,
        self_ensemble,
        tuple(card or ()),
        sheet is not None,
        threads,
    )
    check_destinations(markdown, sheet)
    with show_progress(quiet=json_output) as tell:
        result = measure_quality(request, tell)
    if json_output:
        print_json(result.to_dict())
    else:
        _print(result)
    command = plain_command(sys.argv[1:])
    for opened in result.cards:
        record_scores(opened, result.suites, result.metrics, command)
    if markdown is not None:
        write_file(markdown, markdown_report(command, result.suites, result.metrics).encode())
    if sheet is not None:
        write_contact_sheet(result.sheet, sheet)


def _print(result: QualityResult) -> None:
    for suite in result.suites:
        stdout().print(suite_table(suite, result.metrics, result.baseline))
    if result.edges:
        stdout().print(edge_table(result.edges))


def suite_table(result: SuiteResult, metrics: Sequence[str], baseline: str | None) -> Table:
    """Return means over photographs and conditions; gain over the input, and over `baseline`, in the first metric."""
    first, count = metrics[0], len(result.per_photo(DEGRADED, metrics[0]))
    conditions = "1 condition" if len(result.cases) == 1 else f"{len(result.cases)} conditions"
    headings = ["method", *(METRICS[metric].title for metric in metrics), "gain [95 %]"]
    headings += [f"over {baseline} [95 %]", "retained"] if baseline else []
    rows = table(f"{result.title}: {count} photographs, {conditions}", headings, left=["method"])
    for method in result.methods():
        cells = [mean_text(result.per_photo(method, m), m) for m in metrics]
        cells.append(_show(difference(result, method, DEGRADED, first) if method != DEGRADED else None))
        if baseline:
            other = method not in (DEGRADED, baseline)
            cells.append(_show(difference(result, method, baseline, first) if other else None))
            kept = retained(result, method, baseline, first) if method != DEGRADED else None
            cells.append("" if kept is None else f"{kept:.1%}")
        rows.add_row(method, *cells)
    return rows


def _show(interval: Interval | None) -> str:
    return "" if interval is None else str(interval)


def edge_table(edges: Mapping[str, Mapping[str, float]]) -> Table:
    """Return slanted edges and flat grey, by method."""
    headings = ("method", "MTF50 cycles/px", "overshoot", "undershoot", "noise gain")
    rows = table("edges and noise: slanted edge blurred by 1.6, grey with noise 5/255", headings, left=["method"])
    for method, row in edges.items():
        percents = (f"{100 * row[key]:.1f} %" for key in ("overshoot", "undershoot"))
        rows.add_row(method, f"{row['mtf50']:.3f}", *percents, f"{row['noise_gain']:.2f}")
    return rows


def plain_command(arguments: list[str]) -> str:
    """Return the command line for a reader elsewhere: names of folders instead of paths, and no outputs."""
    kept: list[str] = []
    skip = False
    for argument in arguments:
        if skip or argument in ("--card", "--markdown", "--sheet"):
            skip = not skip
        elif argument != "--json":
            kept.append(Path(argument).name if Path(argument).exists() else argument)
    return shlex.join(["ensharpen-bench", *kept])
