"""`ensharpen-export`: turn a trained student into an artifact for a target, through the release gate."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ensharpen_edge.console import print_json, run_command, stderr, stdout
from ensharpen_edge.errors import EnsharpenError, UsageError
from ensharpen_edge.export.gate import GateLimits, GateReport
from ensharpen_edge.export.parity import LIMITS, ParityReport
from ensharpen_edge.export.pipeline import ExportResult, artifact_name, export_model
from ensharpen_edge.export.registry import check_precision, find_target
from ensharpen_edge.export.request import ExportRequest

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


def parse_size(text: str | None) -> tuple[int, int] | None:
    """`HxW` in pixels.

    Raises:
        UsageError: Anything else.
    """
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None:
        raise UsageError(f"--size must look like 512x768 (height x width), got {text!r}")
    return int(match[1]), int(match[2])


@app.command()
def export(
    target: Annotated[str, typer.Option(help="What to export for: onnx.")],
    model: Annotated[
        str, typer.Option(help="A shipped model (nano), or the path of a .safetensors checkpoint.")
    ] = "nano",
    precision: Annotated[str, typer.Option(help="fp32, fp16; several with commas.")] = "fp32",
    out: Annotated[Path, typer.Option(help="Folder for the artifacts.")] = Path("build"),
    size: Annotated[str | None, typer.Option(help="Static HxW; without it the graph takes any size.")] = None,
    data: Annotated[Path | None, typer.Option(help="Sharp photographs for the quality gate.")] = None,
    drill: Annotated[
        str | None, typer.Option(help="Damage a stage (folded, artifact) to see the gate refuse it.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Report as JSON on standard output.")] = False,
) -> None:
    """Export a model through the parity ladder and the release gate.

    The artifact appears only when everything passed; the report NAME.report.json is written either way.

    [bold]Examples[/]

      ensharpen-export --target onnx --model nano --out build

      ensharpen-export --target onnx --precision fp32,fp16 --model runs/mine/mine.safetensors --data my_photos
    """
    chosen = find_target(target)
    precisions = list(dict.fromkeys(part.strip() for part in precision.split(",")))
    for part in precisions:
        check_precision(chosen, part)
    results = []
    for part in precisions:
        request = ExportRequest(model, target, part, out, parse_size(size), data, drill)
        console = stderr()
        try:
            with console.status("starting") as status:
                result = export_model(request, lambda text: status.update(text))
        except EnsharpenError:
            report = out / f"{artifact_name(model, target, part)}.report.json"
            if report.exists():
                console.print(f"no artifact was written; report: {report}")
            raise
        results.append(result)
        if not json_output:
            print_result(result)
    if json_output:
        print_json([_result_dict(result) for result in results])


def print_result(result: ExportResult) -> None:
    """The parity table, the gate table, and where the artifact is."""
    manifest = result.artifact.manifest
    console = stdout()
    console.print(_parity_table(result.parity, manifest.precision))
    console.print(_gate_table(result.gate))
    size = result.artifact.model_path.stat().st_size
    console.print(f"{result.artifact.path}  {size / 1024:.0f} KiB  passed in {result.seconds:.1f} s")


def _parity_table(report: ParityReport, precision: str) -> Table:
    limits = LIMITS[precision]
    allowed = f"max-abs <= {limits.max_abs:g}" if limits.max_abs is not None else f"PSNR >= {limits.psnr:g} dB"
    table = Table(title=f"Parity ladder, worst of {report.probes} probes (gate: {allowed})")
    for heading in (
        "rung",
        "max-abs vs before",
        "PSNR vs before",
        "max-abs vs torch",
        "PSNR vs torch",
        "worst probe",
    ):
        table.add_column(heading, justify="left" if heading in ("rung", "worst probe") else "right")
    for rung in report.rungs:
        table.add_row(
            rung.name,
            f"{rung.max_abs_previous:.2e}",
            _decibels(rung.psnr_previous),
            f"{rung.max_abs_torch:.2e}",
            _decibels(rung.psnr_torch),
            rung.worst_probe,
        )
    return table


def _gate_table(report: GateReport) -> Table:
    limits = GateLimits()
    table = Table(title=f"Release gate, {len(report.scores)} photographs with ground truth")
    table.add_column("measure")
    table.add_column("value", justify="right")
    table.add_column("limit", justify="right")
    table.add_row("PSNR blurred", f"{report.mean_degraded:.2f} dB", "")
    table.add_row("PSNR student (torch)", f"{report.mean_student:.2f} dB", "")
    table.add_row("PSNR exported", f"{report.mean_exported:.2f} dB", "")
    table.add_row("mean drop", f"{report.mean_drop:.4f} dB", f"<= {limits.mean_drop:g} dB")
    table.add_row("retained sharpening gain", f"{report.retained:.2%}", f">= {limits.retained:.0%}")
    table.add_row(
        "sharp photo stays sharp (worst)",
        f"{report.worst_identity:.2f} dB",
        f">= {limits.identity_floor:g} dB",
    )
    return table


def _decibels(value: float) -> str:
    return "identical" if math.isinf(value) and value > 0 else f"{value:.1f} dB"


def _result_dict(result: ExportResult) -> dict[str, object]:
    return {
        "artifact": str(result.artifact.path),
        "seconds": round(result.seconds, 2),
        "bytes": result.artifact.model_path.stat().st_size,
        "parity": result.parity.to_dict(),
        "gate": result.gate.to_dict(),
    }


def main() -> None:
    """Entry point of `ensharpen-export`."""
    run_command(app)
