"""`ensharpen-bench`: quality and cost of artifacts."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.benchmarks.calibration_cost import bare_inference, measure_calibrations, measure_onnxruntime
from ensharpen_edge.benchmarks.card_scores import record_score, score_entry
from ensharpen_edge.benchmarks.demo.build import CASE, build_demo
from ensharpen_edge.benchmarks.edges import measure_edges
from ensharpen_edge.benchmarks.latency import EQUAL, compare_latency, operator_times
from ensharpen_edge.benchmarks.overhead import measure_overhead, peak_memory, synthetic_photo
from ensharpen_edge.benchmarks.protocol import GaussianCase
from ensharpen_edge.benchmarks.quality import artifact_method, unsharp_methods
from ensharpen_edge.benchmarks.quality_plan import artifact_names, baseline_name, plan_suites
from ensharpen_edge.benchmarks.quality_report import edge_table, suite_json, suite_table
from ensharpen_edge.benchmarks.suites import LEVIN, SUITES
from ensharpen_edge.console import print_json, progress, run_command, stdout
from ensharpen_edge.errors import QualityError, UsageError
from ensharpen_edge.imaging.decode import read_photo
from ensharpen_edge.imaging.encode import write_photo
from ensharpen_edge.imaging.photo import Photo
from ensharpen_edge.metrics.registry import METRICS, load_metrics
from ensharpen_edge.runtime.pipeline import TileChoice
from ensharpen_edge.runtime.registry import open_engine

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False, no_args_is_help=True)

Artifacts = Annotated[list[Path], typer.Argument(help="Artifact folders.")]
Json = Annotated[bool, typer.Option("--json", help="Report as JSON on standard output.")]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes all cores.")]


@app.callback()
def root() -> None:
    """Measure artifacts: how well they sharpen, and what they cost."""


@app.command()
def quality(
    artifacts: Artifacts,
    data: Annotated[
        list[Path] | None, typer.Option(help="Folder of sharp photographs, e.g. CBSD68. Repeatable.")
    ] = None,
    suite: Annotated[
        list[str] | None,
        typer.Option(help=f"Conditions: {', '.join((*SUITES, LEVIN))}. Repeatable; replaces --blur and --noise."),
    ] = None,
    pairs: Annotated[
        Path | None, typer.Option(help="Folder of real pairs: files of one name in blur/ and sharp/.")
    ] = None,
    kernels: Annotated[Path | None, typer.Option(help="Kernels of the suite levin, an npz file.")] = None,
    edges: Annotated[bool, typer.Option("--edges", help="Also measure a slanted edge and flat noise.")] = False,
    blur: Annotated[float, typer.Option(min=0.1, help="Gaussian blur, standard deviation in pixels.")] = 1.6,
    noise: Annotated[float, typer.Option(min=0.0, help="Gaussian noise, standard deviation in code values.")] = 2.55,
    metrics: Annotated[str, typer.Option(help=f"Comma-separated: {', '.join(METRICS)}.")] = "psnr,psnr-y,ssim",
    baseline: Annotated[
        Path | None, typer.Option(help="One of the artifacts, which the others are compared with.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Only so many photographs of each folder; 0 takes all.")] = 0,
    card: Annotated[Path | None, typer.Option(help="Record the scores on this checkpoint card.")] = None,
    threads: Threads = 0,
    json_output: Json = False,
) -> None:
    """Quality on degraded photographs and real pairs, beside the input and the best unsharp mask.

    Protocol of the deblurring literature: circular borders, noise from seed 0 for every image, not clipped; output
    rounded to 8 bits, no cropped border. Intervals are paired bootstraps over the photographs, 95 %.

    [bold]Examples[/]

      ensharpen-bench quality build/nano-onnx-fp32 --data CBSD68 --blur 1.6 --noise 2.55

      ensharpen-bench quality build/a build/b --data Kodak24 --suite gaussian --pairs gopro_pairs --baseline build/a
    """
    if card is not None and (suite or pairs or limit or len(data or []) != 1):
        raise UsageError(
            "--card records one Gaussian condition on one whole set",
            hint="one --data, --blur and --noise, without --suite, --pairs and --limit",
        )
    names = artifact_names(artifacts)
    reference = baseline_name(baseline, artifacts, names)
    opened = {name: Artifact.open(path) for name, path in zip(names, artifacts, strict=True)}
    methods = {
        name: artifact_method(artifact, open_engine(artifact, threads=threads)) for name, artifact in opened.items()
    }
    wanted = ("psnr", "psnr-y", "ssim") if card else tuple(name.strip() for name in metrics.split(","))
    plans = plan_suites(data or [], suite or [], pairs, kernels, GaussianCase(blur, noise), limit)
    measures = load_metrics(wanted)
    if not METRICS[wanted[0]].higher_is_better:
        raise UsageError(f"--metrics: the first one ranks the unsharp masks, {wanted[0]!r} cannot")
    results = []
    with progress(quiet=json_output) as bar:
        task = bar.add_task("photographs", total=sum(plan.photographs for plan in plans))
        for plan in plans:
            results.append(plan.run(methods, measures, lambda: bar.advance(task)))
    if card is not None and data:
        scores = results[0].cases[next(iter(results[0].cases))]
        for score in scores:
            if score.method in opened:
                artifact = opened[score.method]
                count = len(score.values["psnr"])
                entry = score_entry(data[0], count, GaussianCase(blur, noise), artifact, scores[0], score)
                record_score(card, artifact, entry)
    edge_rows = measure_edges({**unsharp_methods(), **methods}) if edges else {}
    if json_output:
        print_json({"suites": [suite_json(r, wanted, reference) for r in results], "edges": edge_rows})
        return
    for result in results:
        stdout().print(suite_table(result, wanted, reference))
    if edges:
        stdout().print(edge_table(edge_rows))


@app.command()
def overhead(
    artifact: Annotated[Path, typer.Argument(help="Artifact folder.")],
    photo: Annotated[Path, typer.Option(help="A photograph to build the test frames from.")],
    megapixels: Annotated[float, typer.Option(min=0.1, help="Size of the timed frame.")] = 12.0,
    memory_megapixels: Annotated[float, typer.Option(min=0.0, help="Size of the memory test; 0 leaves it out.")] = 48.0,
    tile: Annotated[int, typer.Option(min=8, help="Tile side of the tiled variant.")] = 768,
    threads: Threads = 0,
    rounds: Annotated[int, typer.Option(min=1, help="Timed rounds; all variants take turns in each.")] = 5,
    json_output: Json = False,
) -> None:
    """What the runtime adds to the bare network: time ratio tiled and untiled, and peak memory.

    [bold]Example[/]

      ensharpen-bench overhead build/nano-onnx-fp32 --photo photo.jpg --threads 2
    """
    opened = Artifact.open(artifact)
    source = read_photo(photo).rgb
    if min(source.shape[:2]) < 64:
        raise UsageError(f"{photo}: too small to build a test frame from")
    tilings: tuple[TileChoice, ...] = ("off", tile)
    results = measure_overhead(opened, synthetic_photo(source, megapixels), tilings, threads, rounds)
    peak = None
    if memory_megapixels:
        with tempfile.TemporaryDirectory() as folder:
            large = Path(folder) / "large.jpg"
            write_photo(Photo(synthetic_photo(source, memory_megapixels)), large)
            peak = peak_memory(artifact, large, "auto", threads)
    if json_output:
        print_json({"overhead": [dataclasses.asdict(r) for r in results], "peak_mib": peak})
        return
    table = Table(title=f"{artifact.name}, {megapixels:g} MP, medians of {rounds} interleaved rounds")
    for heading in (
        "tile",
        "windows",
        "engine s",
        "pipeline s",
        "file to file s",
        "pipeline/engine",
        "file/engine",
    ):
        table.add_column(heading, justify="right")
    for r in results:
        table.add_row(
            r.tiling, str(r.windows), f"{r.engine:.3f}", f"{r.pipeline:.3f}", f"{r.command:.3f}",
            f"{r.pipeline_ratio:.3f}", f"{r.command_ratio:.3f}",
        )  # fmt: skip
    stdout().print(table)
    if peak is not None:
        stdout().print(f"peak memory for {memory_megapixels:g} MP, tiled, file to file: {peak:.0f} MiB")


@app.command()
def latency(
    artifacts: Annotated[
        list[Path], typer.Argument(help="Artifact folders; the first one is what the others are compared with.")
    ],
    size: Annotated[int, typer.Option(min=8, help="Side of the frame.")] = 512,
    threads: Annotated[list[int] | None, typer.Option(help="CPU threads; repeatable.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Timed rounds.")] = 30,
    operators: Annotated[bool, typer.Option("--operators", help="Operator by operator as well (ONNX).")] = False,
    json_output: Json = False,
) -> None:
    """Time artifacts, interleaved: every round runs each of them once. Medians; beside them what the release gate saw:
    the loss of PSNR against the truth in the worst condition, and the worst photograph against the network.

    [bold]Example[/]

      ensharpen-bench latency build/nano-onnx-fp32 build/nano-onnx-int8 --threads 1 --threads 2 --operators
    """
    frame, counts = (size, size), threads or [1]
    results = [row for count in counts for row in compare_latency(artifacts, frame, count, rounds)]
    profiles = {str(path): operator_times(path, frame, counts[0], rounds) for path in artifacts} if operators else {}
    if json_output:
        print_json({"latency": [dataclasses.asdict(row) for row in results], "operators": profiles})
        return
    table = Table(title=f"{size}x{size}, {rounds} interleaved rounds")
    headings = ("artifact", "KiB", "drop dB", "worst vs network", "threads", "ms", "ms/MP", "time against the first")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "artifact" else "right")
    for row in results:
        agreement = "same" if row.agreement >= EQUAL else f"{row.agreement:.1f} dB"
        numbers = (f"{row.median:.1f}", f"{row.per_megapixel:.0f}", f"{row.ratio:.2f}")
        table.add_row(row.name, f"{row.kib:.0f}", f"{row.drop:.4f}", agreement, str(row.threads), *numbers)
    stdout().print(table)
    for path, profile in profiles.items():
        text = ", ".join(f"{name} {milliseconds:.2f}" for name, milliseconds in profile.items())
        stdout().print(f"{path}, ms by operator ({counts[0]} threads): {text}")


@app.command()
def calibration(
    artifact: Annotated[Path, typer.Argument(help="An fp32 ONNX artifact.")],
    data: Annotated[Path, typer.Option(help="Folder of sharp photographs.")],
    counts: Annotated[list[int] | None, typer.Option("-n", "--count", min=2, help="Crops; repeatable.")] = None,
    crop: Annotated[int, typer.Option(min=8, help="Side of the crops.")] = 256,
    method: Annotated[str, typer.Option(help="Range method.")] = "entropy",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
    json_output: Json = False,
) -> None:
    """What calibrating costs: time per crop against bare inference, and memory against the number of crops.

    ONNX Runtime's entropy calibrator is run beside it, on 1 and 4 crops: it keeps every activation until the end.

    [bold]Example[/]

      ensharpen-bench calibration build/nano-onnx-fp32 --data photos -n 10 -n 1000
    """
    bare = bare_inference(artifact, data, crop, threads)
    costs = measure_calibrations(artifact, data, counts or [10, 1000], crop, threads, method)
    costs += measure_onnxruntime(artifact, data, [1, 4], crop)
    if json_output:
        print_json({"bare_seconds": bare, "costs": [dataclasses.asdict(cost) for cost in costs]})
        return
    table = Table(title=f"crops of {crop}x{crop}, {threads} threads; bare inference {1000 * bare:.1f} ms")
    for heading in ("calibration", "crops", "peak memory", "per crop", "against bare inference"):
        table.add_column(heading, justify="left" if heading == "calibration" else "right")
    for cost in costs:
        seconds = cost.seconds_per_crop
        timing = ("", "") if seconds is None else (f"{1000 * seconds:.1f} ms", f"{seconds / bare:.2f}")
        table.add_row(cost.name, str(cost.crops), f"{cost.peak_mib:.0f} MiB", *timing)
    stdout().print(table)


@app.command()
def demo(
    artifact: Annotated[Path, typer.Argument(help="Artifact folder.")],
    photos: Annotated[Path, typer.Option(help="Folder of sharp photographs.")],
    out: Annotated[Path, typer.Option(help="Folder for the page.")] = Path("build/demo"),
    threads: Threads = 0,
) -> None:
    """Blur photographs, sharpen them, and write a page with before, after and ground truth.

    Exit code 5 when a photograph comes out worse than it went in.

    [bold]Example[/]

      ensharpen-bench demo build/nano-onnx-fp32 --photos tests/data
    """
    rows = build_demo(Artifact.open(artifact), photos, out, threads)
    table = Table(title=f"{artifact.name}, blur {CASE.blur:g}, noise {CASE.noise:g}/255")
    for heading in ("photograph", "blurred dB", "sharpened dB", "gain", "ms"):
        table.add_column(heading, justify="left" if heading == "photograph" else "right")
    for row in rows:
        table.add_row(row.name, f"{row.before:.2f}", f"{row.after:.2f}", f"{row.gain:+.2f}", f"{row.milliseconds:.0f}")
    stdout().print(table)
    stdout().print(f"page: {(out / 'index.html').resolve()}")
    worse = [row.name for row in rows if row.gain <= 0]
    if worse:
        raise QualityError(f"not sharpened: {', '.join(worse)}")


def main() -> None:
    """Entry point of `ensharpen-bench`."""
    run_command(app)
