"""`ensharpen-calibrate`: what photographs do to every tensor of a network, and which layers can take 8 bits."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.console import print_json, progress, run_command, stderr, stdout
from ensharpen_edge.errors import UsageError, require
from ensharpen_edge.process_memory import peak_resident_mib

if TYPE_CHECKING:
    from ensharpen_edge.calibration.compare import Comparison
    from ensharpen_edge.calibration.plan import Plan
    from ensharpen_edge.calibration.planning import Planning, PlanRequest
    from ensharpen_edge.calibration.run import CalibrationRequest, CalibrationResult, ChosenPhotos, FloatGraph
    from ensharpen_edge.calibration.sensitivity import Damage

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

CHART, PLAIN = "sensitivity.png", "without-equalisation"


@app.command()
def calibrate(
    data: Annotated[Path, typer.Option(help="Folder of sharp photographs, not those that judge the result.")],
    artifact: Annotated[Path, typer.Argument(help="An fp32 ONNX artifact.")] = Path("build/nano-onnx-fp32"),
    out: Annotated[Path | None, typer.Option(help="Folder of the table. Default: ARTIFACT-calibration.")] = None,
    count: Annotated[int, typer.Option("-n", "--count", min=2, help="Crops.")] = 128,
    crop: Annotated[int, typer.Option(min=16, help="Side of the crops.")] = 256,
    mix: Annotated[str | None, typer.Option(help="Degradations. Default: those the network was trained with.")] = None,
    method: Annotated[str, typer.Option(help="min-max, moving average, percentile, entropy, mse.")] = "percentile",
    samples: Annotated[
        int, typer.Option(min=0, help="Values of a tensor counted per crop; 0 counts all (slow).")
    ] = 8_192,
    seed: Annotated[int, typer.Option(help="Of candidates and degradations.")] = 0,
    allow_few: Annotated[bool, typer.Option("--allow-few", help="Accept fewer than 16 distinct photographs.")] = False,
    plan: Annotated[bool, typer.Option("--plan/--no-plan", help="Search which layers can be int8.")] = True,
    scheme: Annotated[
        str, typer.Option(help="onnx, onnx vnni, onnx int16, tensorrt, tflite, tflite int16, coreml.")
    ] = "onnx",
    rounding: Annotated[str, typer.Option(help="Of weights: nearest, bias, moments.")] = "moments",
    keep: Annotated[str, typer.Option(help="Layers that stay float in any case, with commas.")] = "head,tail",
    max_drop: Annotated[float, typer.Option(min=0, help="Largest loss of PSNR that the plan may cost, dB.")] = 0.02,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Measure every layer and tensor, alone and left out; draw a chart.")
    ] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Every range method, every rounding, and no equalisation, side by side.")
    ] = False,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes all cores.")] = 0,
    cache: Annotated[Path | None, typer.Option(help="Folder of decoded photographs.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Report as JSON on standard output.")] = False,
) -> None:
    """Choose crops that cover what a camera sees, run the network on them once, write the calibration table, and find
    the plan with the fewest float layers.

    Both halves of the crops are compared: ranges that move by more than 20 % are named, and ask for more photographs.
    Measurements of sensitivity are kept beside the table, so an interrupted or repeated call goes on.

    [bold]Examples[/]

      ensharpen-calibrate build/nano-onnx-fp32 --data photos -n 128

      ensharpen-calibrate build/nano-onnx-fp32 --data photos --max-drop 0.02 --keep head,tail --sensitivity
    """
    for module in ("onnx", "onnxruntime", "torch"):
        require(module, "onnx")
    require("imagehash", "train")
    opened = Artifact.open(artifact)
    manifest = opened.manifest
    if (manifest.target, manifest.precision) != ("onnx", "fp32"):
        raise UsageError(
            f"{artifact}: is {manifest.target} {manifest.precision}; ranges are collected on the fp32 ONNX artifact",
            hint="ensharpen-export --target onnx --precision fp32",
        )
    if crop % manifest.shape.multiple_of:
        raise UsageError(f"--crop must be a multiple of {manifest.shape.multiple_of} for {manifest.name}, got {crop}")
    from ensharpen_edge.calibration.degraded_crops import Preprocessing, training_mix
    from ensharpen_edge.calibration.photo_choice import ChoiceConfig
    from ensharpen_edge.calibration.plan import names_in, plan_file, save_plan
    from ensharpen_edge.calibration.planning import MISSED, PlanRequest, prepare_planning
    from ensharpen_edge.calibration.recipe import QuantizationSettings
    from ensharpen_edge.calibration.run import (
        CalibrationRequest,
        FloatGraph,
        choose_photos,
        refuse_enlarging,
        run_calibration,
    )
    from ensharpen_edge.data.cache import default_cache
    from ensharpen_edge.degrade.mixes import find_mix

    refuse_enlarging(str(artifact), manifest.io.enlarges)
    wanted = PlanRequest(QuantizationSettings(scheme, method, rounding), names_in(keep), max_drop)
    graph = FloatGraph.of_artifact(opened)
    settings = Preprocessing(find_mix(mix) if mix else training_mix(graph.training), crop, seed)
    choice = ChoiceConfig(count, settings.chosen_side, seed, allow_few)
    request = CalibrationRequest(data, choice, settings, method, samples, threads, cache or default_cache())
    folder = out or artifact.with_name(f"{artifact.name}-calibration")
    chosen = choose_photos(graph, request)
    with progress(quiet=json_output) as bar:
        task = bar.add_task("calibrating", total=len(chosen.choices))
        result = run_calibration(graph, request, chosen, folder, lambda done: bar.update(task, completed=done))
    found: Plan | None = None
    damages: list[Damage] = []
    comparisons: list[Comparison] = []
    if plan or sensitivity or compare:
        planning = prepare_planning(graph, result.table, chosen, settings, wanted, folder)
        if plan:
            with stderr().status("planning") as status:
                found, _ = planning.search(wanted.keep, status.update)
            save_plan(found, folder / plan_file(scheme))
        if sensitivity:
            damages = _measure(planning, found, folder / CHART, manifest.name, json_output)
        if compare:
            comparisons = _compare(planning, graph, request, chosen, wanted, folder)
    if json_output:
        print_json(_report(result, chosen.photos.skipped, found, damages, folder))
        return
    for line in chosen.photos.skipped:
        stderr().print(f"skipped: {line}")
    _print_table(result, method)
    if damages:
        stdout().print(_sensitivity_table(damages))
        stdout().print(folder / CHART)
    if comparisons:
        stdout().print(_comparison_table(comparisons, wanted))
    if found is not None:
        if missed := found.notes.get(MISSED):
            stderr().print(f"warning: the plan {MISSED} {len(missed)} photographs: {', '.join(missed)}")
        stdout().print(
            f"{len(found.layers) - len(found.kept)} of {len(found.layers)} layers in int8: {folder / plan_file(scheme)}"
        )
    stdout().print(f"{folder}  {len(result.table.choices)} crops, key {result.table.provenance.key[:16]}")


def _measure(planning: Planning, plan: Plan | None, path: Path, name: str, quiet: bool) -> list[Damage]:
    from ensharpen_edge.calibration.chart import draw_sensitivities
    from ensharpen_edge.calibration.sensitivity import measure_all

    with progress(quiet=quiet) as bar:
        task = bar.add_task("measuring sensitivities", total=None)
        damages = measure_all(
            planning.meter, planning.quantizer, lambda done, total: bar.update(task, completed=done, total=total)
        )
    settings = planning.quantizer.settings
    draw_sensitivities(damages, plan, f"{name}, scheme {settings.scheme}, ranges {settings.method}", path)
    return damages


def _compare(
    planning: Planning,
    graph: FloatGraph,
    request: CalibrationRequest,
    chosen: ChosenPhotos,
    wanted: PlanRequest,
    folder: Path,
) -> list[Comparison]:
    from ensharpen_edge.calibration.compare import compare_choices
    from ensharpen_edge.calibration.recipe import Quantizer
    from ensharpen_edge.calibration.run import run_calibration

    with stderr().status("comparing") as status:
        plain = run_calibration(graph, replace(request, equalise=False), chosen, folder / PLAIN)
        return compare_choices(planning, Quantizer(graph.model, plain.table, wanted.settings), wanted, status.update)


def _report(
    result: CalibrationResult, skipped: tuple[str, ...], plan: Plan | None, damages: list[Damage], folder: Path
) -> dict[str, Any]:
    from ensharpen_edge.calibration.stability import UNSTABLE

    return {
        "table": str(folder),
        "key": result.table.provenance.key,
        "crops": len(result.table.choices),
        "photographs": len({choice.sha256 for choice in result.table.choices}),
        "tensors": len(result.table.histograms),
        "unstable": {m.tensor: round(m.share, 3) for m in result.movements if m.share > UNSTABLE},
        "skipped": list(skipped),
        "cost": {
            "seconds_per_crop": result.seconds / len(result.table.choices),
            "peak_mib": round(peak_resident_mib(), 1),
        },
        "plan": None if plan is None else {"layers": plan.layers, "notes": plan.notes},
        "sensitivity": [{"kind": d.kind, "name": d.name, "how": d.how, "psnr": round(d.psnr, 2)} for d in damages],
    }


def _print_table(result: CalibrationResult, method: str) -> None:
    from ensharpen_edge.calibration.stability import UNSTABLE

    reasons = Counter(choice.reason for choice in result.table.choices)
    stdout().print(", ".join(f"{number} {reason}" for reason, number in reasons.items()))
    table = Table(title=f"{len(result.table.histograms)} tensors; what differs most between the halves ({method})")
    for heading in ("tensor", "first half", "second half", "moved"):
        table.add_column(heading, justify="left" if heading == "tensor" else "right")
    for movement in result.movements[:8]:
        table.add_row(
            movement.tensor, f"{movement.first:.4g}", f"{movement.second:.4g}", f"{100 * movement.share:.0f} %"
        )
    stdout().print(table)
    unstable = sum(movement.share > UNSTABLE for movement in result.movements)
    if unstable:
        stderr().print(
            f"warning: {unstable} ranges move by more than {100 * UNSTABLE:.0f} %: more photographs would help"
        )


def _comparison_table(comparisons: list[Comparison], wanted: PlanRequest) -> Table:
    base = wanted.settings
    table = Table(
        title=f"All layers but {', '.join(wanted.keep)} in int8 ({base.scheme}, {base.method}, {base.rounding} "
        "unless named), and the layers that a plan can keep in int8"
    )
    for heading in ("choice", "worst photograph", "mean drop", "retained", "plan"):
        table.add_column(heading, justify="left" if heading == "choice" else "right")
    for row in comparisons:
        retained = "-" if row.whole.retained is None else f"{row.whole.retained:.1%}"
        table.add_row(
            row.name, f"{row.whole.worst_photo:.2f} dB", f"{row.whole.drop:.3f} dB", retained, str(row.int8_layers)
        )
    return table


def _sensitivity_table(damages: list[Damage]) -> Table:
    from ensharpen_edge.calibration.sensitivity import ONLY

    table = Table(title="PSNR against float, dB: the ten costliest of each kind")
    for heading in ("kind", "name", "only this", "all but this"):
        table.add_column(heading, justify="left" if heading in ("kind", "name") else "right")
    others = {(d.kind, d.name): d.psnr for d in damages if d.how != ONLY}
    for kind in dict.fromkeys(d.kind for d in damages):
        alone = sorted((d for d in damages if d.kind == kind and d.how == ONLY), key=lambda d: d.psnr)
        for damage in alone[:10]:
            table.add_row(kind, damage.name, f"{damage.psnr:.1f}", f"{others[kind, damage.name]:.1f}")
    return table


def main() -> None:
    """Entry point of `ensharpen-calibrate`."""
    run_command(app)


if __name__ == "__main__":
    main()
