"""`ensharpen-export`: turn a trained student into an artifact for a target, through the release gate."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from ensharpen_edge.console import print_json, run_command, stderr
from ensharpen_edge.errors import ParityError, QualityError, UsageError, require

_CHOICE = ("count", "crop", "allow_few")
_CODED = ("calib", "plan", "scheme", "method", "rounding", "keep", "plan_drop", *_CHOICE)
"""Options by what they are for; `_refuse_idle_options` says when they would do nothing."""

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


def parse_sizes(text: str | None) -> tuple[tuple[int, int], ...]:
    """`HxW` in pixels, several with commas.

    Raises:
        UsageError: Anything else.
    """
    found = []
    for part in text.split(",") if text is not None else ():
        match = re.fullmatch(r"(\d+)x(\d+)", part.strip())
        if match is None:
            raise UsageError(f"--size must look like 512x768 (height x width), got {part!r}")
        found.append((int(match[1]), int(match[2])))
    return tuple(dict.fromkeys(found))


def _set_by_hand(context: typer.Context, names: tuple[str, ...]) -> list[str]:
    """Those of the options that were given on the command line."""
    sources = {name: context.get_parameter_source(name) for name in names}
    return [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]


def _refuse_idle_options(
    context: typer.Context, coded: bool, ready_table: bool, ready_plan: bool, given_plan: bool
) -> None:
    """Options that could have no effect are mistakes.

    Args:
        context: Of the command.
        coded: A precision with codes is among those that were asked for.
        ready_table: Its ranges come from a finished table.
        ready_plan: No plan is searched for.
        given_plan: It is a file that was named.

    Raises:
        UsageError: One was given; says why it does nothing.
    """
    for idle, names, reason in (
        (not coded, _CODED, "no precision with codes was asked for"),
        (ready_table, _CHOICE, "the calibration is a finished table"),
        (ready_plan, ("plan_drop",), "the plan is a finished one"),
        (given_plan, ("keep",), "the file of --plan says what stays float"),
    ):
        given = _set_by_hand(context, names) if idle else []
        if given:
            options = ", ".join("-n" if name == "count" else f"--{name.replace('_', '-')}" for name in given)
            hint = "leave it out, or give photographs: --calib FOLDER" if coded else "leave it out"
            raise UsageError(f"{options}: would do nothing: {reason}", hint=hint)


@app.command()
def export(
    context: typer.Context,
    target: Annotated[str, typer.Option(help="What to export for: onnx, tflite, trt, coreml.")],
    model: Annotated[
        str, typer.Option(help="A shipped model (nano), or the path of a .safetensors checkpoint.")
    ] = "nano",
    precision: Annotated[
        str,
        typer.Option(
            help="fp32, fp16, int8; for tflite also int16x8, int8-weights, int8-dynamic; for coreml int8-weights, "
            "int4-weights, palette8, palette6, palette4. Several with commas."
        ),
    ] = "fp32",
    out: Annotated[Path, typer.Option(help="Folder for the artifacts.")] = Path("build"),
    size: Annotated[
        str | None,
        typer.Option(help="Static HxW; without it the graph takes any size (coreml: 512x512). For coreml several."),
    ] = None,
    flexible: Annotated[
        bool, typer.Option("--flexible", help="A coreml package for all sizes between those of --size.")
    ] = False,
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
    count: Annotated[int, typer.Option("-n", "--count", min=2, help="Crops to calibrate with.")] = 128,
    crop: Annotated[int, typer.Option(min=16, help="Side of those crops.")] = 256,
    method: Annotated[
        str, typer.Option(help="Range method: min-max, moving average, percentile, entropy, mse.")
    ] = "percentile",
    rounding: Annotated[str, typer.Option(help="Of weights: nearest, bias, moments.")] = "moments",
    scheme: Annotated[str | None, typer.Option(help="Of codes; for onnx also 'onnx vnni'.")] = None,
    plan: Annotated[
        str | None, typer.Option(help="Which layers are int8: the file of a plan, or all (but those of --keep).")
    ] = None,
    keep: Annotated[
        str, typer.Option(help="Layers that stay float, with commas; --plan FILE says so itself.")
    ] = "head,tail",
    plan_drop: Annotated[float, typer.Option(min=0, help="Largest loss of PSNR that a new plan may cost, dB.")] = 0.02,
    allow_few: Annotated[bool, typer.Option("--allow-few", help="Accept fewer than 16 distinct photographs.")] = False,
    max_drop: Annotated[float, typer.Option(min=0, help="Largest mean loss of PSNR the gate allows, dB.")] = 0.05,
    min_retained: Annotated[
        float, typer.Option(min=0, max=1, help="Smallest share of the sharpening gain the gate allows.")
    ] = 0.98,
    min_agreement: Annotated[
        float | None, typer.Option(min=0, help="Smallest PSNR against the network on any photograph, dB.")
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(help="What a tflite int8 file or a coreml package takes: int8, uint8 or float32 images."),
    ] = None,
    deployment: Annotated[
        str | None, typer.Option(help="Oldest system of a coreml package: iOS16, iOS17, iOS18.")
    ] = None,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Beside a coreml package its .mlmodelc, which needs macOS.")
    ] = False,
    require_delegate: Annotated[
        str | None, typer.Option(help="Refuse a tflite file that it would not run whole: xnnpack, gpu, nnapi, ...")
    ] = None,
    drill: Annotated[
        str | None, typer.Option(help="Damage a stage (folded, artifact) to see the gate refuse it.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Report as JSON on standard output.")] = False,
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
    from ensharpen_edge.calibration.planning import PlanRequest
    from ensharpen_edge.calibration.recipe import QuantizationSettings
    from ensharpen_edge.calibration.table import TABLE
    from ensharpen_edge.data.cache import default_cache
    from ensharpen_edge.export.gate import GateLimits
    from ensharpen_edge.export.pipeline import ExportResult, artifact_name, export_model
    from ensharpen_edge.export.quantization import ALL_LAYERS, QuantizationRequest, shipped_calibration
    from ensharpen_edge.export.registry import check_precision, choose_image_dtype, choose_scheme, find_target
    from ensharpen_edge.export.request import CoremlOptions, ExportRequest
    from ensharpen_edge.export.tables import print_result, result_dict

    chosen = find_target(target)
    precisions = list(dict.fromkeys(part.strip() for part in precision.split(",")))
    for part in precisions:
        check_precision(chosen, part)
        choose_image_dtype(chosen, part, image)
    coded = any(part in chosen.schemes for part in precisions)
    table = calib or shipped_calibration(model)
    ready = table is not None and (table / TABLE).is_file()
    given_plan = plan is not None and plan != ALL_LAYERS
    _refuse_idle_options(context, coded, coded and ready, coded and (ready or plan is not None), coded and given_plan)
    sizes = parse_sizes(size)
    limits = GateLimits(mean_drop=max_drop, retained=min_retained, agreement=min_agreement)
    results: list[ExportResult] = []
    for part in precisions:
        quantization = None
        if table is not None and part in chosen.schemes:
            settings = QuantizationSettings(choose_scheme(chosen, part, scheme), method, rounding)
            wanted = PlanRequest(settings, names_in(keep), plan_drop)
            quantization = QuantizationRequest(
                table, plan, wanted, count, crop, allow_few=allow_few, cache=default_cache()
            )
        request = ExportRequest(
            model,
            target,
            part,
            out,
            sizes[0] if sizes else None,
            tuple(data or ()),
            drill,
            limits,
            quantization,
            image,
            require_delegate,
            CoremlOptions(deployment, sizes[1:], flexible, compiled),
        )
        console = stderr()
        try:
            with console.status("starting") as status:
                result = export_model(request, lambda text: status.update(text))
        except (ParityError, QualityError) as error:
            folder = out / artifact_name(model, target, part)
            console.print(f"no {folder.name} was written; report: {folder}.report.json")
            if folder.exists():
                console.print(f"warning: {folder} is that of an earlier export")
            if json_output:
                failure = {"artifact": str(folder), "error": str(error), "exit_code": int(error.exit_code)}
                print_json([*(result_dict(earlier) for earlier in results), failure])
            raise
        results.append(result)
        if result.replaced:
            console.print(f"note: {result.artifact.path} was another one before: {'; '.join(result.replaced)}")
        if not json_output:
            print_result(result, limits)
    if json_output:
        print_json([result_dict(result) for result in results])


def main() -> None:
    """Entry point of `ensharpen-export`."""
    run_command(app)
