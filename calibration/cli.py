"""`ensharpen-calibrate`: what photographs do to every tensor of a network, and which layers can take 8 bits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from ensharpen_edge.console import Version, command_line, print_json, run_command, show_progress, stderr, stdout
from ensharpen_edge.errors import require

if TYPE_CHECKING:
    from ensharpen_edge.calibration.calibrate import CalibrateResult
    from ensharpen_edge.calibration.compare import Comparison
    from ensharpen_edge.calibration.planning import PlanRequest
    from ensharpen_edge.calibration.sensitivity import Damage

app = command_line()


@app.command()
def calibrate(
    data: Annotated[Path, typer.Option(help="Folder of sharp photographs, not those that judge the result.")],
    artifact: Annotated[Path, typer.Argument(help="An fp32 ONNX artifact.")] = Path("build/nano-onnx-fp32"),
    out: Annotated[Path | None, typer.Option(help="Folder of the table. Default: ARTIFACT-calibration.")] = None,
    count: Annotated[int, typer.Option("-n", "--count", min=2, help="Number of crops.")] = 128,
    crop: Annotated[int, typer.Option(min=16, help="Side of the crops in pixels.")] = 256,
    mix: Annotated[str | None, typer.Option(help="Degradations. Default: those the network was trained with.")] = None,
    method: Annotated[
        str, typer.Option(help="Range method: min-max, moving average, percentile, entropy, mse.")
    ] = "percentile",
    samples: Annotated[
        int, typer.Option(min=0, help="Values of a tensor counted per crop; 0 counts all (slow).")
    ] = 8_192,
    seed: Annotated[int, typer.Option(help="Seed of candidates and degradations.")] = 0,
    allow_few: Annotated[bool, typer.Option("--allow-few", help="Accept fewer than 16 distinct photographs.")] = False,
    plan: Annotated[bool, typer.Option("--plan/--no-plan", help="Search which layers can be int8.")] = True,
    scheme: Annotated[
        str, typer.Option(help="Where codes go: onnx, onnx vnni, onnx int16, trt, tflite, tflite int16, coreml.")
    ] = "onnx",
    rounding: Annotated[str, typer.Option(help="How weights are rounded: nearest, bias, moments.")] = "moments",
    keep: Annotated[str, typer.Option(help="Layers that stay float in any case, with commas.")] = "head,tail",
    plan_drop: Annotated[
        float, typer.Option(min=0, help="Largest mean loss of PSNR against ground truth that the plan may cost, dB.")
    ] = 0.02,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Measure every layer and tensor, alone and left out; draw a chart.")
    ] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Every range method, every rounding, and no equalisation, side by side.")
    ] = False,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes OMP_NUM_THREADS, or all cores.")] = 0,
    cache: Annotated[Path | None, typer.Option(help="Folder of decoded photographs.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Report as JSON on standard output.")] = False,
    version: Version = False,
) -> None:
    """Choose crops that cover what a camera sees, run the network on them once, write the calibration table, and find
    the plan with the fewest float layers.

    Both halves of the crops are compared: ranges that move by more than 20 % are named, and ask for more photographs.
    Measurements of sensitivity are kept beside the table, so an interrupted or repeated call goes on.

    [bold]Examples[/]

      ensharpen-calibrate build/nano-onnx-fp32 --data photos -n 128

      ensharpen-calibrate build/nano-onnx-fp32 --data photos --plan-drop 0.02 --keep head,tail --sensitivity
    """
    for module in ("onnx", "onnxruntime", "torch"):
        require(module, "onnx")
    require("imagehash", "train")
    from ensharpen_edge.calibration.calibrate import CalibrateRequest
    from ensharpen_edge.calibration.calibrate import calibrate as run
    from ensharpen_edge.calibration.plan import names_in
    from ensharpen_edge.calibration.planning import PlanRequest
    from ensharpen_edge.calibration.quantizer import QuantizationSettings
    from ensharpen_edge.calibration.settings import CalibrationSettings
    from ensharpen_edge.data.cache import default_cache
    from ensharpen_edge.degrade.mixes import find_mix

    settings = CalibrationSettings(
        data,
        count,
        crop,
        seed,
        allow_few,
        find_mix(mix) if mix else None,
        samples,
        threads=threads,
        cache=cache or default_cache(),
    )
    wanted = PlanRequest(QuantizationSettings(scheme, method, rounding), names_in(keep), plan_drop)
    request = CalibrateRequest(artifact, settings, wanted, out, plan, sensitivity, compare)
    with show_progress(quiet=json_output) as progress:
        result = run(request, progress)
    if json_output:
        print_json(result.to_dict())
    else:
        _print_result(result, wanted)


def _print_result(result: CalibrateResult, wanted: PlanRequest) -> None:
    from ensharpen_edge.calibration.planning import MISSED

    for line in result.chosen.photos.skipped:
        stderr().print(f"skipped: {line}")
    _print_table(result, wanted.settings.method)
    if result.chart is not None:
        stdout().print(_sensitivity_table(result.sensitivities))
        stdout().print(result.chart)
    if result.comparisons:
        stdout().print(_comparison_table(result.comparisons, wanted))
    if (plan := result.plan) is not None:
        if missed := plan.notes.get(MISSED):
            stderr().print(f"warning: the plan {MISSED} {len(missed)} photographs: {', '.join(missed)}")
        whole = len(plan.layers)
        stdout().print(f"{whole - len(plan.kept)} of {whole} layers in int8: {result.plan_path}")
    stdout().print(f"{result.folder}  {len(result.table.choices)} crops, key {result.table.provenance.key[:16]}")


def _print_table(result: CalibrateResult, method: str) -> None:
    from ensharpen_edge.calibration.stability import UNSTABLE

    reasons = Counter(choice.reason for choice in result.table.choices)
    stdout().print(", ".join(f"{number} {reason}" for reason, number in reasons.items()))
    table = Table(title=f"{len(result.table.histograms)} tensors; what differs most between the halves ({method})")
    for heading in ("tensor", "first half", "second half", "moved"):
        table.add_column(heading, justify="left" if heading == "tensor" else "right")
    for movement in result.calibration.movements[:8]:
        table.add_row(
            movement.tensor, f"{movement.first:.4g}", f"{movement.second:.4g}", f"{100 * movement.share:.0f} %"
        )
    stdout().print(table)
    if result.unstable:
        stderr().print(
            f"warning: {len(result.unstable)} ranges move by more than {100 * UNSTABLE:.0f} %: more photographs would "
            "help"
        )


def _comparison_table(comparisons: Sequence[Comparison], wanted: PlanRequest) -> Table:
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


def _sensitivity_table(damages: Sequence[Damage]) -> Table:
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
