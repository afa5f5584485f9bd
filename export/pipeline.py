"""The export pipeline: stages over one draft, from a checkpoint to a sealed artifact."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from ensharpen_edge.artifact import MANIFEST, Artifact, new_artifact
from ensharpen_edge.artifact_manifest import Manifest
from ensharpen_edge.errors import BadInputError, EnsharpenError, IntegrityError, UsageError
from ensharpen_edge.export.draft import Draft, made
from ensharpen_edge.export.proof.gate import GateReport
from ensharpen_edge.export.proof.ladder import ParityReport
from ensharpen_edge.export.proof.trained import TrainedReport
from ensharpen_edge.export.report import failure, write_report
from ensharpen_edge.export.request import ExportRequest
from ensharpen_edge.export.stages.building import build, fold, open_file, refuse_flattery
from ensharpen_edge.export.stages.proving import (
    check_ladder,
    check_sharpening,
    check_window,
    check_written_codes,
    climb_ladder,
    compare_tiles,
    look_at_operators,
    measure_sharpening,
)
from ensharpen_edge.export.stages.resolving import resolve
from ensharpen_edge.export.stages.sealing import seal_artifact, write_golden
from ensharpen_edge.progress import Progress, no_progress

Stage = Callable[[Draft], Draft]

STAGES: tuple[Stage, ...] = (
    fold,
    build,
    refuse_flattery,
    open_file,
    climb_ladder,
    check_ladder,
    look_at_operators,
    check_written_codes,
    check_window,
    compare_tiles,
    measure_sharpening,
    check_sharpening,
    write_golden,
    seal_artifact,
)
"""In their order. Measuring and checking are stages of their own, so that a report holds what was measured."""


@dataclass(frozen=True)
class ExportResult:
    """A finished export.

    Attributes:
        artifact: The artifact, verified on disk.
        parity: Report of the parity ladder.
        gate: Report of the quality gate.
        seconds: Wall time.
        trained: Report on a file of a network that was trained in 8 bits; None for others.
        replaced: How the artifact that was there before differed in what feeds it or in its weights.
    """

    artifact: Artifact
    parity: ParityReport
    gate: GateReport
    seconds: float
    trained: TrainedReport | None = None
    replaced: tuple[str, ...] = ()


def export_model(request: ExportRequest, progress: Progress = no_progress) -> ExportResult:
    """Export one model in one precision, or leave nothing but a report.

    The report `NAME.report.json` is written beside the artifact in either case, and always before the artifact.

    Args:
        request: Model, target, one precision, and wishes.
        progress: Told about each stage as it starts.

    Raises:
        UsageError, MissingToolError, IntegrityError, BadInputError: The export could not start, or failed on the way.
        ParityError: The exported file computes something else than the network.
        QualityError: It computes nearly the same, but sharpens less.
    """
    if len(request.precisions) != 1:
        raise UsageError(
            f"an artifact has one precision, got {', '.join(request.precisions)}", hint="export_all exports several"
        )
    draft, started = resolve(request, progress), time.monotonic()
    path, report = request.out / draft.name, request.out / f"{draft.name}.report.json"
    earlier = _earlier(path)
    with new_artifact(path) as folder, ExitStack() as resources:
        draft = replace(draft, folder=folder, resources=resources)
        try:
            for stage in STAGES:
                draft = stage(draft)
        except Exception as error:
            write_report(report, draft.evidence() | failure(error))
            if isinstance(error, EnsharpenError):
                raise
            raise BadInputError(f"the export of {draft.name} failed: {type(error).__name__}: {error}") from error
        seconds = time.monotonic() - started
        write_report(report, draft.evidence() | {"passed": True, "seconds": round(seconds, 2)})
    artifact = Artifact.open(path)
    return ExportResult(
        artifact, made(draft.parity), made(draft.gate), seconds, draft.trained, _differences(earlier, artifact.manifest)
    )


def export_all(request: ExportRequest, progress: Progress = no_progress) -> Iterator[ExportResult]:
    """Export one model in each of the request's precisions, one after the other.

    Raises:
        EnsharpenError: See `export_model`; the artifacts before stay.
    """
    for single in request.each():
        yield export_model(single, progress)


def _earlier(path: Path) -> Manifest | None:
    """The manifest of the artifact that is about to be replaced, if there is one."""
    try:
        return Manifest.from_json((path / MANIFEST).read_text(encoding="utf-8"), path)
    except (OSError, UnicodeDecodeError, IntegrityError):
        return None


def _differences(earlier: Manifest | None, now: Manifest) -> tuple[str, ...]:
    """Differences that an app that was fed the earlier artifact would notice."""
    if earlier is None:
        return ()
    facts = {
        "weights": (m.source.get("checkpoint_sha256", "")[:12] for m in (earlier, now)),
        "images": (f"{m.io.dtype} {m.io.layout}" for m in (earlier, now)),
        "size": (f"{m.shape.height}x{m.shape.width}" if m.shape.height else "any" for m in (earlier, now)),
    }
    pairs = {name: tuple(values) for name, values in facts.items()}
    return tuple(f"{name} {before} -> {after}" for name, (before, after) in pairs.items() if before != after)
