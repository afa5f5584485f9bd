"""`ensharpen-export`: turn a trained student into an artifact for a target, through the release gate."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ensharpen_edge.console import Version, command_line, print_json, run_command, status, stderr
from ensharpen_edge.errors import ParityError, QualityError, UsageError, require
from ensharpen_edge.export.command_options import with_target_options
from ensharpen_edge.export.precision import PRECISIONS
from ensharpen_edge.export.targets.options import Size, given_options
from ensharpen_edge.export.targets.registry import TARGETS, read_options

if TYPE_CHECKING:
    from ensharpen_edge.export.pipeline import ExportResult
    from ensharpen_edge.export.request import ExportRequest

app = command_line()


def parse_sizes(text: str | None) -> tuple[Size, ...]:
    """Return the sizes of `HxW` in pixels, several with commas.

    Raises:
        UsageError: The text is anything else.
    """
    found = []
    for part in text.split(",") if text is not None else ():
        match = re.fullmatch(r"(\d+)x(\d+)", part.strip())
        if match is None:
            raise UsageError(f"--size must look like 512x768 (height x width), got {part!r}")
        found.append((int(match[1]), int(match[2])))
    return tuple(dict.fromkeys(found))


@app.command()
@with_target_options
def export(
    target: Annotated[str, typer.Option(help=f"What to export for: {', '.join(TARGETS)}.")],
    model: Annotated[
        str, typer.Option(help="A shipped model (nano), or the path of a .safetensors checkpoint.")
    ] = "nano",
    precision: Annotated[
        str,
        typer.Option(help=f"One of the target's, or several with commas: {', '.join(p.name for p in PRECISIONS)}."),
    ] = "fp32",
    out: Annotated[Path, typer.Option(help="Folder for the artifacts.")] = Path("build"),
    size: Annotated[
        str | None,
        typer.Option(help="Static HxW; without it the graph takes any size (coreml: 512x512). For coreml several."),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(help="For the quality gate: sharp photographs, or real pairs in blur/ and sharp/; repeatable."),
    ] = None,
    calib: Annotated[
        Path | None,
        typer.Option(
            help="For int8: photographs, or the folder that ensharpen-calibrate wrote; "
            "a shipped model comes with a table."
        ),
    ] = None,
    count: Annotated[
        int | None, typer.Option("-n", "--count", min=2, help="Crops to calibrate with. Default: 128.")
    ] = None,
    crop: Annotated[int | None, typer.Option(min=16, help="Side of those crops. Default: 256.")] = None,
    method: Annotated[
        str | None,
        typer.Option(help="Range method: min-max, moving average, percentile, entropy, mse. Default: percentile."),
    ] = None,
    rounding: Annotated[
        str | None, typer.Option(help="Rounding of weights: nearest, bias, moments. Default: moments.")
    ] = None,
    scheme: Annotated[str | None, typer.Option(help="Scheme of codes; for onnx also 'onnx vnni'.")] = None,
    plan: Annotated[
        str | None, typer.Option(help="Which layers are int8: the file of a plan, or all (but those of --keep).")
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(help="Layers that stay float, with commas; --plan FILE says so itself. Default: head,tail."),
    ] = None,
    plan_drop: Annotated[
        float | None, typer.Option(min=0, help="Largest loss of PSNR that a new plan may cost, dB. Default: 0.02.")
    ] = None,
    allow_few: Annotated[bool, typer.Option("--allow-few", help="Accept fewer than 16 distinct photographs.")] = False,
    trained: Annotated[
        str | None,
        typer.Option(help="For int8: a network trained in 8 bits: nano-int8, or the file of ensharpen-train quantize."),
    ] = None,
    max_drop: Annotated[
        float | None,
        typer.Option(min=0, help="Largest mean loss of PSNR the gate allows, dB. Default: 0.05; trained int8: 0.15."),
    ] = None,
    max_photo_drop: Annotated[
        float | None,
        typer.Option(min=0, help="The same on any photograph, dB. Default: none; trained int8: 0.5."),
    ] = None,
    min_retained: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Smallest share of the sharpening gain the gate allows. Default: 0.98; trained int8: 0.94.",
        ),
    ] = None,
    min_agreement: Annotated[
        float | None, typer.Option(min=0, help="Smallest PSNR against the network on any photograph, dB.")
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(help="Images that a tflite int8 file, a trt kit or a coreml package takes: int8, uint8, float32."),
    ] = None,
    drill: Annotated[
        str | None, typer.Option(help="Damage a stage (folded, artifact) to see the gate refuse it.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Report as JSON on standard output.")] = False,
    version: Version = False,
    **own: Any,  # noqa: ANN401 (see with_target_options)
) -> None:
    """Export a model through the parity ladder and the release gate.

    The artifact appears only when everything passed; the report NAME.report.json is written either way.

    [bold]Examples[/]

      ensharpen-export --target onnx --model nano --out build

      ensharpen-export --target onnx --precision fp32,fp16 --model runs/mine/nano.safetensors --data my_photos

      ensharpen-export --target onnx --precision int8 --calib my_photos --data other_photos
    """
    require("torch", "onnx")
    from ensharpen_edge.calibration.plan import names_in
    from ensharpen_edge.export.proof.gate import GateLimits
    from ensharpen_edge.export.quantization import QuantizationRequest
    from ensharpen_edge.export.request import ExportRequest

    sizes = parse_sizes(size)
    kept = None if keep is None else names_in(keep)
    quantization = QuantizationRequest(
        calib, plan, scheme, method, rounding, kept, plan_drop, count, crop, allow_few, trained=trained
    )
    request = ExportRequest(
        model,
        target,
        names_in(precision),
        out,
        sizes[0] if sizes else None,
        tuple(data or ()),
        drill,
        GateLimits(mean_drop=max_drop, retained=min_retained, agreement=min_agreement, photo_drop=max_photo_drop),
        quantization,
        image,
        read_options(target, given_options(own, sizes[1:])),
    )
    _export_each(request, json_output)


def _export_each(request: ExportRequest, json_output: bool) -> None:
    """Export every precision, and print each result as it comes."""
    from ensharpen_edge.export.draft import artifact_name
    from ensharpen_edge.export.pipeline import export_model
    from ensharpen_edge.export.tables import print_result, result_dict

    console = stderr()
    results: list[ExportResult] = []
    for single in request.each():
        try:
            with status("starting") as tell:
                result = export_model(single, tell)
        except (ParityError, QualityError) as error:
            folder = request.out / artifact_name(request.model, request.target, *single.precisions)
            console.print(f"no {folder.name} was written; report: {folder}.report.json")
            if folder.exists():
                console.print(f"warning: {folder} is that of an earlier export")
            if json_output:
                failed = {"artifact": str(folder), "error": str(error), "exit_code": int(error.exit_code)}
                print_json([*map(result_dict, results), failed])
            raise
        results.append(result)
        if result.replaced:
            console.print(f"note: {result.artifact.path} was another one before: {'; '.join(result.replaced)}")
        if not json_output:
            print_result(result, request.limits)
    if json_output:
        print_json([result_dict(result) for result in results])


def main() -> None:
    """Entry point of `ensharpen-export`."""
    run_command(app)
