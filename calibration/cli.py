"""`ensharpen-calibrate`: what photographs do to every tensor of a network."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.console import print_json, progress, run_command, stderr, stdout
from ensharpen_edge.errors import UsageError, require

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command()
def calibrate(
    artifact: Annotated[Path, typer.Argument(help="An fp32 ONNX artifact.")],
    data: Annotated[Path, typer.Option(help="Folder of sharp photographs, not those that judge the result.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the table. Default: ARTIFACT-calibration.")] = None,
    count: Annotated[int, typer.Option("-n", "--count", min=2, help="Crops.")] = 128,
    crop: Annotated[int, typer.Option(min=8, help="Side of the crops.")] = 256,
    mix: Annotated[str, typer.Option(help="Degradations, as in training.")] = "photo",
    method: Annotated[str, typer.Option(help="Range method of the stability check.")] = "mse",
    samples: Annotated[
        int, typer.Option(min=0, help="Values of a tensor counted per crop; 0 counts all (slow).")
    ] = 16_384,
    seed: Annotated[int, typer.Option(help="Of candidates and degradations.")] = 0,
    allow_few: Annotated[bool, typer.Option("--allow-few", help="Accept fewer than 16 distinct photographs.")] = False,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes all cores.")] = 0,
    cache: Annotated[Path | None, typer.Option(help="Folder of decoded photographs.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Report as JSON on standard output.")] = False,
) -> None:
    """Choose crops that cover what a camera sees, run the network on them once, and write the calibration table.

    Both halves of the crops are compared: ranges that move by more than 20 % are named, and ask for more photographs.

    [bold]Example[/]

      ensharpen-calibrate build/nano-onnx-fp32 --data photos -n 128
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
    from ensharpen_edge.calibration.degraded_crops import Preprocessing
    from ensharpen_edge.calibration.photo_choice import ChoiceConfig
    from ensharpen_edge.calibration.run import CalibrationRequest, run_calibration
    from ensharpen_edge.data.cache import default_cache

    settings = Preprocessing(mix, crop, seed)
    request = CalibrationRequest(
        opened, data, ChoiceConfig(count, settings.chosen_side, seed, allow_few), settings, method, samples, threads,
        cache or default_cache(),
    )  # fmt: skip
    folder = out or artifact.with_name(f"{artifact.name}-calibration")
    with progress(quiet=json_output) as bar:
        task = bar.add_task("calibrating", total=count)
        result = run_calibration(request, folder, lambda done: bar.update(task, completed=done))
    unstable = [movement for movement in result.movements if movement.share > result.limit]
    if json_output:
        print_json(
            {
                "table": str(folder),
                "key": result.table.provenance.key,
                "crops": len(result.table.choices),
                "photographs": len({choice.sha256 for choice in result.table.choices}),
                "tensors": len(result.table.histograms),
                "unstable": {m.tensor: round(m.share, 3) for m in unstable},
                "skipped": list(result.skipped),
            }
        )
        return
    for line in result.skipped:
        stderr().print(f"skipped: {line}")
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
    if unstable:
        stderr().print(
            f"warning: {len(unstable)} ranges move by more than {100 * result.limit:.0f} %: more photographs would help"
        )
    stdout().print(f"{folder}  {len(result.table.choices)} crops, key {result.table.provenance.key[:16]}")


def main() -> None:
    """Entry point of `ensharpen-calibrate`."""
    run_command(app)
