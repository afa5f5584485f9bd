"""The result of an export as tables for people and as plain types for machines."""

from __future__ import annotations

import math

from rich.table import Table

from ensharpen_edge.console import stdout
from ensharpen_edge.export.gate import GateLimits, GateReport
from ensharpen_edge.export.parity import LIMITS, ParityReport
from ensharpen_edge.export.pipeline import ExportResult


def print_result(result: ExportResult, limits: GateLimits) -> None:
    """The parity table, the gate table, and where the artifact is."""
    manifest = result.artifact.manifest
    console = stdout()
    console.print(_parity_table(result.parity, manifest.precision))
    console.print(_gate_table(result.gate, limits))
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


def _gate_table(report: GateReport, limits: GateLimits) -> Table:
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


def result_dict(result: ExportResult) -> dict[str, object]:
    """Plain JSON types."""
    return {
        "artifact": str(result.artifact.path),
        "seconds": round(result.seconds, 2),
        "bytes": result.artifact.model_path.stat().st_size,
        "parity": result.parity.to_dict(),
        "gate": result.gate.to_dict(),
    }
