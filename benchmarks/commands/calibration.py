"""`ensharpen-bench calibration`: what calibrating costs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ensharpen_edge.benchmarks.speed.calibration_cost import CalibrationCostRequest, measure_calibration_cost
from ensharpen_edge.console import Json, print_json, stdout, table


def calibration(
    artifact: Annotated[Path, typer.Argument(help="An fp32 ONNX artifact.")],
    data: Annotated[Path, typer.Option(help="Folder of sharp photographs.")],
    counts: Annotated[list[int] | None, typer.Option("-n", "--count", min=2, help="Crops; repeatable.")] = None,
    crop: Annotated[int, typer.Option(min=8, help="Side of the crops.")] = 256,
    method: Annotated[str, typer.Option(help="Range method.")] = "entropy",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
    json_output: Json = False,
) -> None:
    """Measure what calibrating costs: time per crop against bare inference, and memory against the number of crops.

    ONNX Runtime's entropy calibrator is run beside it, on 1 and 4 crops: it keeps every activation until the end.

    [bold]Example[/]

      ensharpen-bench calibration build/nano-onnx-fp32 --data photos -n 10 -n 1000
    """
    request = CalibrationCostRequest(artifact, data, tuple(counts or (10, 1000)), crop, method, threads)
    result = measure_calibration_cost(request)
    if json_output:
        print_json(result.to_dict())
        return
    bare = result.bare_seconds
    rows = table(
        f"crops of {crop}x{crop}, {threads} threads; bare inference {1000 * bare:.1f} ms",
        ("calibration", "crops", "peak memory", "per crop", "against bare inference"),
        left=["calibration"],
    )
    for cost in result.costs:
        seconds = cost.seconds_per_crop
        timing = ("", "") if seconds is None else (f"{1000 * seconds:.1f} ms", f"{seconds / bare:.2f}")
        rows.add_row(cost.name, str(cost.crops), f"{cost.peak_mib:.0f} MiB", *timing)
    stdout().print(rows)
