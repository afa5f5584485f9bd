"""`ensharpen-bench calibration`: what calibrating costs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ensharpen_edge.benchmarks.calibration_cost import bare_inference, measure_calibrations, measure_onnxruntime
from ensharpen_edge.benchmarks.commands.options import Json
from ensharpen_edge.console import print_json, stdout


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
