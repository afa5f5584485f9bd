"""`ensharpen-bench quality`: how well artifacts sharpen."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.benchmarks.baseline_artifact import baseline_name
from ensharpen_edge.benchmarks.card_scores import open_card, record_scores
from ensharpen_edge.benchmarks.commands.options import Artifacts, Json, Threads
from ensharpen_edge.benchmarks.contact_sheet import sheet_rows, write_contact_sheet
from ensharpen_edge.benchmarks.edges import measure_edges
from ensharpen_edge.benchmarks.oracles import ORACLES
from ensharpen_edge.benchmarks.protocol import GaussianCase
from ensharpen_edge.benchmarks.quality import BEST_UNSHARP, DEGRADED, artifact_method, unsharp_methods
from ensharpen_edge.benchmarks.quality_markdown import markdown_report
from ensharpen_edge.benchmarks.quality_plan import plan_suites
from ensharpen_edge.benchmarks.quality_report import edge_table, suite_json, suite_table
from ensharpen_edge.benchmarks.suites import FROM_FILE, SUITES
from ensharpen_edge.console import print_json, progress, stdout
from ensharpen_edge.distinct_names import distinct_names
from ensharpen_edge.errors import UsageError
from ensharpen_edge.imaging.views import check_views
from ensharpen_edge.metrics.registry import METRICS, load_metrics
from ensharpen_edge.runtime.registry import open_engine
from ensharpen_edge.runtime.self_ensemble import SelfEnsemble
from ensharpen_edge.whole_file import check_destinations, write_file


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
    names = distinct_names(artifacts)
    reserved = {DEGRADED, BEST_UNSHARP} & set(names)
    if reserved:
        raise UsageError(f"an artifact's folder cannot be called {reserved.pop()!r} here", hint="rename it")
    reference = baseline_name(baseline, artifacts, names)
    opened = {name: Artifact.open(path) for name, path in zip(names, artifacts, strict=True)}
    check_views(self_ensemble)
    several = {f"{name} x{self_ensemble}": name for name in opened} if self_ensemble > 1 else {}
    cards = [open_card(path, opened | {title: opened[name] for title, name in several.items()}) for path in card or []]
    check_destinations(markdown, sheet)
    engines = {name: open_engine(artifact, threads=threads) for name, artifact in opened.items()}
    methods = {name: artifact_method(artifact, engines[name]) for name, artifact in opened.items()}
    for title, name in several.items():
        io, shape = opened[name].manifest.io, opened[name].manifest.shape
        methods[title] = artifact_method(opened[name], SelfEnsemble(engines[name], io, shape, self_ensemble))
    wanted = tuple(name.strip() for name in metrics.split(","))
    oracles = oracle or []
    margin = max(artifact.manifest.shape.halo for artifact in opened.values()) if wrap else 0
    plans = plan_suites(data or [], suite or [], pairs, kernels, GaussianCase(blur, noise), limit, oracles, margin)
    measures = load_metrics(wanted)
    if not METRICS[wanted[0]].higher_is_better:
        raise UsageError(f"--metrics: the first one ranks the unsharp masks, {wanted[0]!r} cannot")
    results = []
    with progress(quiet=json_output) as bar:
        task = bar.add_task("photographs", total=sum(plan.photographs for plan in plans))
        for plan in plans:
            results.append(plan.run(methods, measures, lambda: bar.advance(task), oracles))
    masks = {f"unsharp {setting}": mask for setting, mask in unsharp_methods().items()}
    edge_rows = measure_edges({**masks, **methods}) if edges else {}
    if json_output:
        print_json({"suites": [suite_json(r, wanted, reference) for r in results], "edges": edge_rows})
    else:
        for result in results:
            stdout().print(suite_table(result, wanted, reference))
        if edges:
            stdout().print(edge_table(edge_rows))
    command = plain_command(sys.argv[1:])
    for opened_card in cards:
        record_scores(opened_card, results, wanted, command)
    if markdown is not None:
        write_file(markdown, markdown_report(command, results, wanted).encode())
    if sheet is not None:
        write_contact_sheet(sheet_rows(plans, results, methods), sheet)


def plain_command(arguments: list[str]) -> str:
    """The command line for a reader elsewhere: names of folders instead of paths, and no outputs."""
    kept: list[str] = []
    skip = False
    for argument in arguments:
        if skip or argument in ("--card", "--markdown", "--sheet"):
            skip = not skip
        elif argument != "--json":
            kept.append(Path(argument).name if Path(argument).exists() else argument)
    return shlex.join(["ensharpen-bench", *kept])
