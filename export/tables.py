"""The result of an export as tables for people and as plain types for machines."""

from __future__ import annotations

import math
from typing import Any

from rich.table import Table

from ensharpen_edge.calibration.planning import MISSED
from ensharpen_edge.console import stderr, stdout
from ensharpen_edge.export.pipeline import ExportResult
from ensharpen_edge.export.precision import parity_limits
from ensharpen_edge.export.proof.gate import GateLimits, GateReport
from ensharpen_edge.export.proof.ladder import ParityReport
from ensharpen_edge.export.proof.trained import TrainedReport

_REASONS = 3
"""Most reasons that a table names; the manifest has all."""


def print_result(result: ExportResult, limits: GateLimits) -> None:
    """Print the parity table, the gate table, and where the artifact is."""
    manifest = result.artifact.manifest
    console = stdout()
    console.print(_parity_table(result.parity, manifest.precision, limits.agreement))
    held = limits.of_precision(manifest.precision) if result.trained is None else limits.of_trained()
    console.print(_gate_table(result.gate, held, manifest.io.enlarges))
    if result.trained is not None:
        console.print(_trained_line(result.trained, manifest.quantization))
    elif manifest.quantization:
        console.print(_quantization_line(manifest.quantization, manifest.precision))
        for line in manifest.quantization["skipped"]:
            stderr().print(f"skipped: {line}")
    if "delegates" in manifest.graph:
        console.print(_delegate_table(manifest.graph))
    if "neural_engine" in manifest.graph:
        console.print(_neural_engine_table(manifest.graph))
    if "compiled" in manifest.graph:
        console.print(manifest.graph["compiled"])
    if "portable" in manifest.graph:
        console.print(_portable_table(manifest.graph["portable"]))
        console.print("engines are built on the device: copy the folder there, then: python3 build_engine.py")
    size = result.artifact.model_bytes
    console.print(f"{result.artifact.path}  {size / 1024:.0f} KiB  passed in {result.seconds:.1f} s")


def _parity_table(report: ParityReport, precision: str, agreement: float | None) -> Table:
    limits = parity_limits(precision, agreement)
    allowed = f"max-abs <= {limits.max_abs:g}" if limits.max_abs is not None else f"PSNR >= {limits.psnr:g} dB"
    if limits.photographs is not None:
        allowed = f"photographs >= {limits.photographs:g} dB, all >= {limits.psnr:g} dB"
    table = Table(title=f"Parity ladder, worst of {report.probes} probes (gate: {allowed})")
    table.add_column("rung")
    for heading in ("max-abs vs before", "PSNR vs before", "max-abs vs torch"):
        table.add_column(heading, justify="right")
    if limits.photographs is not None:
        table.add_column("photographs vs torch", justify="right")
    table.add_column("PSNR vs torch", justify="right")
    table.add_column("worst probe")
    for rung in report.rungs:
        cells = [f"{rung.max_abs_previous:.2e}", _decibels(rung.psnr_previous), f"{rung.max_abs_torch:.2e}"]
        if limits.photographs is not None:
            cells.append(_decibels(rung.psnr_photographs))
        table.add_row(rung.name, *cells, _decibels(rung.psnr_torch), rung.worst_probe)
    return table


def _trained_line(report: TrainedReport, facts: dict[str, Any]) -> str:
    """What a file of a network trained in 8 bits shows beside the gate."""
    apart = max((abs(score.exported - score.reference) for score in report.scores), default=0.0)
    lost = max(report.scores, key=lambda score: score.parent - score.exported)
    operators = ""
    if report.operators:
        least = min(report.operators, key=lambda operator: operator.within_one)
        operators = (
            f"{len(report.operators)} operators looked at one by one, at least {least.within_one:.2%} of the codes "
            f"within one; "
        )
    layers = facts["int8_layers"] + len(facts["float_layers"])
    file = facts["trained"]["file"]
    return (
        f"int8: {facts['int8_layers']} of {layers} layers, trained in 8 bits ({file}): {operators}scores within "
        f"{apart:.3f} dB of the training's simulation; the photograph that loses most: {lost.name}, "
        f"{lost.parent - lost.exported:.2f} dB ({lost.condition})"
    )


def _gate_table(report: GateReport, limits: GateLimits, enlarges: int) -> Table:
    needs = f"drop <= {limits.mean_drop:g} dB, retained >= {limits.retained:.0%}"
    if limits.agreement is not None:
        needs += f", vs student >= {limits.agreement:g} dB"
    table = Table(title=f"Release gate (PSNR in dB; {needs})")
    table.add_column("condition")
    for heading in ("photographs", "degraded", "student", "exported", "drop", "retained", "worst vs student"):
        table.add_column(heading, justify="right")
    for condition in report.conditions:
        table.add_row(
            condition.condition,
            str(condition.photographs),
            f"{condition.degraded:.2f}",
            f"{condition.student:.2f}",
            f"{condition.exported:.2f}",
            f"{condition.drop:.4f}",
            "no gain" if condition.retained is None else f"{condition.retained:.2%}",
            f"{condition.worst_agreement:.1f}",
        )
    promise = "a sharp photograph stays sharp" if enlarges == 1 else "enlarged and reduced again, it is what it was"
    table.caption = f"{promise}: worst {report.worst_identity:.2f} dB, needs {limits.identity_floor:g}"
    return table


def _quantization_line(details: dict[str, Any], precision: str) -> str:
    kept = details["float_layers"]
    layers = details["int8_layers"] + len(kept)
    worst = f"; costliest of them {details['worst_layer']}, alone {details['worst_layer_psnr']} dB"
    names = details["plan_notes"].get(MISSED, ())
    missed = f"; the plan {MISSED} {len(names)} of the photographs it was made with" if names else ""
    return (
        f"{precision}: {details['int8_layers']} of {layers} layers, ranges {details['method']}, "
        f"rounding {details['rounding']}{worst if details['worst_layer'] else ''}{missed}"
    )


def _delegate_table(graph: dict[str, Any]) -> Table:
    operators = ", ".join(f"{count} {name}" for name, count in graph["operators"].items())
    table = Table(title="Who would run it, by documented lists")
    table.caption = f"{operators}; opens in runtimes from {graph['minimum_runtime']} on"
    table.add_column("delegate")
    for heading in ("operators", "falls back, of the work", "runs"):
        table.add_column(heading, justify="right")
    table.add_column("what it does not take")
    for name, report in graph["delegates"].items():
        reasons = [f"{count} {reason}" for reason, count in report["refused"].items()]
        refused = ", ".join([*reasons[:_REASONS], *(["..."] if len(reasons) > _REASONS else [])])
        needs = [f"Android API {report['android_api']}"] if report["android_api"] else []
        needs += ["a fixed size"] if report["needs_one_size"] else []
        table.add_row(
            name,
            f"{report['taken']} of {report['operators']}",
            f"{report['fallback_share_of_macs']:.0%}",
            str(report["partitions"]),
            refused or (f"nothing; needs {', '.join(needs)}" if needs else "nothing"),
        )
    return table


def _neural_engine_table(graph: dict[str, Any]) -> Table:
    report = graph["neural_engine"]
    sizes = ", ".join(f"{height}x{width}" for height, width in graph["sizes"])
    table = Table(title="Neural Engine, by what is documented of it")
    table.caption = "; ".join(
        [
            f"for {graph['deployment']} and later, {sizes}{' and between' if graph['flexible'] else ''}",
            f"rows padded to 64 bytes: {report['padding']:.2f}x the memory",
            *report["notes"],
        ]
    )
    table.add_column("chips")
    table.add_column("operations that run there", justify="right")
    table.add_column("those that do not")
    for chips, entry in report["generations"].items():
        leaves = ", ".join(f"{count} {reason}" for reason, count in entry["leaves"].items())
        table.add_row(chips, f"{entry['native']} of {report['operations']}", leaves or "none")
    for device, count in report.get("planned", {}).items():
        table.add_row(f"this Mac: {device}", str(count), "as Core ML plans")
    return table


def _portable_table(graphs: dict[str, Any]) -> Table:
    table = Table(title="Portable graphs, lint clean, and what TensorRT-RTX made of them here (no GPU needed)")
    table.add_column("graph")
    for heading in ("KiB", "opset", "layers", "seconds", "engine KiB"):
        table.add_column(heading, justify="right")
    table.add_column("for")
    for name, graph in graphs.items():
        rtx = graph["rtx"]
        numbers = (str(rtx["layers"]), f"{rtx['seconds']:.1f}", f"{rtx['size'] / 1024:.0f}")
        built = numbers if rtx["passed"] else (rtx["reason"], "", "")
        table.add_row(f"{name}.onnx", f"{graph['bytes'] / 1024:.0f}", str(graph["opset"]), *built, graph["purpose"])
    return table


def _decibels(value: float) -> str:
    return "identical" if math.isinf(value) and value > 0 else f"{value:.1f} dB"


def result_dict(result: ExportResult) -> dict[str, object]:
    """Return a result as plain JSON types."""
    return {
        "artifact": str(result.artifact.path),
        "seconds": round(result.seconds, 2),
        "bytes": result.artifact.model_bytes,
        "parity": result.parity.to_dict(),
        "gate": result.gate.to_dict(),
        "quantization": result.artifact.manifest.quantization,
        **({"trained": result.trained.to_dict()} if result.trained else {}),
    }
