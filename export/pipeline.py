"""The export pipeline: checkpoint -> folded -> target -> parity ladder -> quality gate -> sealed artifact."""

from __future__ import annotations

import dataclasses
import json
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ensharpen_edge import __version__
from ensharpen_edge.artifact import GOLDEN, Artifact, IoContract, Manifest, ShapeContract, new_artifact, seal
from ensharpen_edge.errors import BadInputError, EnsharpenError
from ensharpen_edge.export.card import artifact_card
from ensharpen_edge.export.faults import damage_file, damage_student
from ensharpen_edge.export.gate import GateLimits, GatePair, GateReport, check_quality, score_pairs
from ensharpen_edge.export.gate_photos import gate_pairs
from ensharpen_edge.export.parity import LIMITS, ParityReport, Run, Rung, check_parity, climb
from ensharpen_edge.export.probes import SHAPES, Probe, parity_probes
from ensharpen_edge.export.registry import check_precision, find_target
from ensharpen_edge.export.request import BuildJob, ExportRequest
from ensharpen_edge.imaging.encode import write_photo
from ensharpen_edge.imaging.photo import Photo
from ensharpen_edge.models.checkpoint import Checkpoint, find_checkpoint
from ensharpen_edge.models.folding import fold_branches
from ensharpen_edge.models.geometry import geometry
from ensharpen_edge.models.student import Student
from ensharpen_edge.runtime.engine import F32
from ensharpen_edge.runtime.registry import open_engine

GOLDEN_SIDE = 128

Step = Callable[[str], None]


@dataclass(frozen=True)
class ExportResult:
    """A finished export.

    Attributes:
        artifact: Verified on disk.
        parity, gate: What the gates saw.
        seconds: Wall time.
    """

    artifact: Artifact
    parity: ParityReport
    gate: GateReport
    seconds: float


def artifact_name(model: str, target: str, precision: str) -> str:
    """Name of the artifact's folder."""
    return f"{Path(model).stem}-{target}-{precision}"


def export_model(request: ExportRequest, step: Step = lambda _text: None) -> ExportResult:
    """Export one model, or leave nothing but a report.

    The report `NAME.report.json` is written beside the artifact in either case.

    Args:
        request: What to export.
        step: Called with the name of each stage as it starts.

    Raises:
        UsageError, MissingToolError, IntegrityError, BadInputError: The export could not start.
        ParityError: The exported file computes something else than the network.
        QualityError: It computes nearly the same, but sharpens less.
    """
    target = find_target(request.target)
    check_precision(target, request.precision)
    target.check_available()
    checkpoint = find_checkpoint(request.model)
    name = artifact_name(request.model, request.target, request.precision)
    started = time.monotonic()
    evidence: dict[str, Any] = {"artifact": name, "model": request.model, "checkpoint": checkpoint.sha256}
    try:
        with new_artifact(request.out / name) as folder:
            parity, gate = _build(request, checkpoint, folder, evidence, step)
    except EnsharpenError as error:
        evidence |= {
            "passed": False,
            "error": str(error),
            "hint": error.hint,
            "exit_code": int(error.exit_code),
        }
        _write_report(request.out / f"{name}.report.json", evidence)
        raise
    evidence |= {"passed": True, "seconds": round(time.monotonic() - started, 2)}
    _write_report(request.out / f"{name}.report.json", evidence)
    return ExportResult(Artifact.open(request.out / name), parity, gate, time.monotonic() - started)


def _build(
    request: ExportRequest, checkpoint: Checkpoint, folder: Path, evidence: dict[str, Any], step: Step
) -> tuple[ParityReport, GateReport]:
    target = find_target(request.target)
    student = checkpoint.student
    step("folding branches")
    folded = fold_branches(student)
    if request.fault == "folded":
        damage_student(folded)
    step(f"building {request.target} {request.precision}")
    title = f"EnSharpen Edge {student.config.name}"
    build = target.build(BuildJob(folded, request.precision, request.size, folder, title))
    if request.fault == "artifact":
        damage_file(folder / build.model_file)
    manifest = _manifest(request, checkpoint, build.model_file, build.io, build.tools)

    reference = torch_run(student)
    with open_engine(Artifact(folder, manifest)) as engine:
        exported = with_layout(engine.run, build.io)
        step("climbing the parity ladder")
        rungs = [Rung("torch", reference), Rung("folded", torch_run(folded)), *build.rungs]
        parity = climb([*rungs, Rung("artifact", exported)], _probes(request.size))
        evidence["parity"] = parity.to_dict()
        check_parity(parity, LIMITS[request.precision])
        step("measuring the sharpening")
        pairs = gate_pairs(request.data)
        if request.size:
            pairs = [_fit(pair, request.size) for pair in pairs]
        gate = score_pairs(reference, exported, pairs)
        evidence["gate"] = gate.to_dict()
        check_quality(gate, GateLimits())
        step("sealing the artifact")
        _write_golden(folder, exported, request.size)
    manifest = dataclasses.replace(manifest, parity=parity.to_dict(), gate=gate.to_dict())
    (folder / "README.md").write_text(artifact_card(manifest, checkpoint.card), encoding="utf-8")
    seal(folder, manifest)
    return parity, gate


def torch_run(student: Student) -> Run:
    """A function that runs a student in torch, without gradients."""

    def run(batch: F32) -> F32:
        with torch.inference_mode():
            output: F32 = student(torch.from_numpy(batch)).numpy()
        return output

    return run


def with_layout(run: Run, io: IoContract) -> Run:
    """Let a run that speaks the artifact's layout take NCHW batches in [0, 1]."""
    if io.layout == "NCHW":
        return run
    return lambda batch: run(np.ascontiguousarray(batch.transpose(0, 2, 3, 1))).transpose(0, 3, 1, 2)


def _probes(size: tuple[int, int] | None) -> list[Probe]:
    shapes = (size,) if size else SHAPES
    probes = [probe for shape in shapes for probe in parity_probes(*shape)]
    return [probe for probe in probes if probe.image.shape[2:] in shapes]


def _fit(pair: GatePair, size: tuple[int, int]) -> GatePair:
    """The pair at a static size: cut, or mirrored up to it."""
    return GatePair(pair.name, _fit_image(pair.degraded, size), _fit_image(pair.sharp, size))


def _fit_image(image: F32, size: tuple[int, int]) -> F32:
    image = image[:, :, : size[0], : size[1]]
    missing = ((0, 0), (0, 0), (0, size[0] - image.shape[2]), (0, size[1] - image.shape[3]))
    return np.ascontiguousarray(np.pad(image, missing, mode="reflect"))


def _manifest(
    request: ExportRequest, checkpoint: Checkpoint, model_file: str, io: IoContract, tools: dict[str, str]
) -> Manifest:
    config = checkpoint.student.config
    shape = geometry(config)
    height, width = request.size or (None, None)
    return Manifest(
        name=config.name,
        target=request.target,
        precision=request.precision,
        task="sharpen",
        model_file=model_file,
        io=io,
        shape=ShapeContract(
            height=height,
            width=width,
            multiple_of=shape.total_stride,
            halo=shape.halo,
            receptive_radius=shape.receptive_radius,
        ),
        source={
            "checkpoint_sha256": checkpoint.sha256,
            "config": config.to_dict(),
            "training": checkpoint.card.get("training", {}),
        },
        tools={"ensharpen-edge": __version__, **tools},
        build={
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "machine": f"{platform.system()} {platform.machine()}",
        },
    )


def _write_golden(folder: Path, exported: Run, size: tuple[int, int] | None) -> None:
    size = size or (GOLDEN_SIDE, GOLDEN_SIDE)
    image = _fit_image(parity_probes(*size)[0].image, size)
    expected = exported(image)
    path = folder / GOLDEN
    path.parent.mkdir()
    np.savez_compressed(path, input=image, expected=expected)
    for name, batch in (("input", image), ("expected", expected)):
        pixels = np.rint(np.clip(batch[0].transpose(1, 2, 0), 0.0, 1.0) * 255.0).astype(np.uint8)
        write_photo(Photo(pixels), path.parent / f"{name}.png")


def _write_report(path: Path, evidence: dict[str, Any]) -> None:
    temporary = path.with_suffix(".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(evidence, indent=2) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise BadInputError(f"{path}: cannot write the report ({error})") from error
