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
from ensharpen_edge.artifact import (
    FLOAT_DTYPE,
    GOLDEN,
    MANIFEST,
    Artifact,
    IoContract,
    Manifest,
    ShapeContract,
    file_hashes,
    new_artifact,
    seal,
)
from ensharpen_edge.calibration.table import load_table
from ensharpen_edge.data.photos import list_photos
from ensharpen_edge.errors import BadInputError, EnsharpenError, IntegrityError, ParityError
from ensharpen_edge.export.card import artifact_card
from ensharpen_edge.export.faults import damage_file, damage_student
from ensharpen_edge.export.feeding import with_task
from ensharpen_edge.export.gate import GatePair, GateReport, check_quality, score_pairs
from ensharpen_edge.export.gate_photos import gate_pairs, refuse_calibrated
from ensharpen_edge.export.large_window import check_large_window
from ensharpen_edge.export.lint import check_exportable
from ensharpen_edge.export.parity import LIMITS, PIXELS_OUT, ParityReport, Run, Rung, check_parity, climb
from ensharpen_edge.export.probes import SHAPES, Probe, parity_probes
from ensharpen_edge.export.registry import check_precision, choose_image_dtype, find_target
from ensharpen_edge.export.request import Build, BuildJob, ExportRequest, Size, Target
from ensharpen_edge.export.tiling_check import check_tiling
from ensharpen_edge.imaging.encode import write_photo
from ensharpen_edge.imaging.photo import Photo
from ensharpen_edge.models.checkpoint import Checkpoint, find_checkpoint
from ensharpen_edge.models.config import TOTAL_STRIDE
from ensharpen_edge.models.folding import fold_branches
from ensharpen_edge.models.geometry import geometry
from ensharpen_edge.models.student import Student
from ensharpen_edge.runtime.codes import float_run
from ensharpen_edge.runtime.engine import F32, Engine
from ensharpen_edge.runtime.pipeline import sharpen_frame, to_batch
from ensharpen_edge.runtime.registry import open_engine
from ensharpen_edge.runtime.tiling import plan_tiles, round_up
from ensharpen_edge.whole_file import whole_file

GOLDEN_SIDE = 128

Step = Callable[[str], None]


@dataclass(frozen=True)
class ExportResult:
    """A finished export.

    Attributes:
        artifact: Verified on disk.
        parity, gate: What the gates saw.
        seconds: Wall time.
        replaced: How the artifact that was there before differed in what feeds it or in its weights.
    """

    artifact: Artifact
    parity: ParityReport
    gate: GateReport
    seconds: float
    replaced: tuple[str, ...] = ()


def artifact_name(model: str, target: str, precision: str) -> str:
    """Name of the artifact's folder."""
    return f"{Path(model).stem}-{target}-{precision}"


def export_model(request: ExportRequest, step: Step = lambda _text: None) -> ExportResult:
    """Export one model, or leave nothing but a report.

    The report `NAME.report.json` is written beside the artifact in either case, and always before the artifact.

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
    if request.size is None and target.default_size is not None:
        request = dataclasses.replace(request, size=target.default_size)
    check_exportable(checkpoint.network.config, request.size)
    for folder in request.data:
        list_photos(folder)  # the gate comes last, and a mistyped folder should not
    name = artifact_name(request.model, request.target, request.precision)
    path, report = request.out / name, request.out / f"{name}.report.json"
    started, earlier = time.monotonic(), _earlier(path)
    evidence: dict[str, Any] = {"artifact": name, "model": request.model, "checkpoint": checkpoint.sha256}
    if request.fault:
        evidence["drill"] = request.fault
    with new_artifact(path) as folder:
        try:
            parity, gate = _build(request, target, checkpoint, folder, evidence, step)
        except EnsharpenError as error:
            evidence |= {"passed": False, "error": str(error), "hint": error.hint, "exit_code": int(error.exit_code)}
            _write_report(report, evidence)
            raise
        except Exception as error:
            _write_report(report, evidence | {"passed": False, "error": f"{type(error).__name__}: {error}"})
            raise BadInputError(f"the export of {name} failed: {type(error).__name__}: {error}") from error
        seconds = time.monotonic() - started
        _write_report(report, evidence | {"passed": True, "seconds": round(seconds, 2)})
    artifact = Artifact.open(path)
    return ExportResult(artifact, parity, gate, seconds, _differences(earlier, artifact.manifest))


def _earlier(path: Path) -> Manifest | None:
    """Of the artifact that is about to be replaced, if there is one."""
    try:
        return Manifest.from_json((path / MANIFEST).read_text(encoding="utf-8"), path)
    except (OSError, UnicodeDecodeError, IntegrityError):
        return None


def _differences(earlier: Manifest | None, now: Manifest) -> tuple[str, ...]:
    """What an app that was fed the earlier artifact would notice."""
    if earlier is None:
        return ()
    facts = {
        "weights": (m.source.get("checkpoint_sha256", "")[:12] for m in (earlier, now)),
        "images": (f"{m.io.dtype} {m.io.layout}" for m in (earlier, now)),
        "size": (f"{m.shape.height}x{m.shape.width}" if m.shape.height else "any" for m in (earlier, now)),
    }
    pairs = {name: tuple(values) for name, values in facts.items()}
    return tuple(f"{name} {before} -> {after}" for name, (before, after) in pairs.items() if before != after)


def _build(
    request: ExportRequest,
    target: Target,
    checkpoint: Checkpoint,
    folder: Path,
    evidence: dict[str, Any],
    step: Step,
) -> tuple[ParityReport, GateReport]:
    student = checkpoint.network
    step("folding branches")
    folded = fold_branches(student)
    if request.fault == "folded":
        damage_student(folded)
    step(f"building {request.target} {request.precision}")
    image_dtype = choose_image_dtype(target, request.precision, request.image_dtype)
    title = f"EnSharpen Edge {student.config.name}"
    build = target.build(
        BuildJob(
            folded,
            request.precision,
            request.size,
            folder,
            title,
            weights=checkpoint.sha256,
            licence=str(checkpoint.card.get("licence", "not stated")),
            training=checkpoint.card.get("training", {}),
            quantization=request.quantization,
            image_dtype=image_dtype,
            require_delegate=request.require_delegate,
            coreml=request.coreml,
            tables=request.out,
            step=step,
        )
    )
    if build.quantization:
        evidence["quantization"] = build.quantization
    if request.data and "table" in build.quantization:
        table = load_table(Path(build.quantization["table"]))
        refuse_calibrated(request.data, {choice.sha256 for choice in table.choices})
    if request.fault == "artifact":
        damage_file(folder / build.model_file)
    manifest = _manifest(request, checkpoint, build)

    limits = request.limits.of_precision(request.precision)
    reference = torch_run(student)
    unsealed = dataclasses.replace(manifest, files=file_hashes(folder))
    with open_engine(Artifact(folder, unsealed), build.device) as engine:

        def exported(image: F32) -> F32:
            return float_run(engine, build.io, image)

        step("climbing the parity ladder")
        rungs = [Rung("torch", reference), Rung("folded", torch_run(folded)), *build.rungs]
        stride = student.config.total_stride
        limits_as = PIXELS_OUT if _rounds(build.io, request.precision) else request.precision
        parity = climb([*rungs, Rung("artifact", exported, limits_as)], _probes(request.probed_sizes, stride))
        evidence["parity"] = parity.to_dict()
        _check_parity(parity, build, limits.agreement)
        if not request.probed_sizes and manifest.shape.largest is None:
            step("one large window")
            check_large_window(exported, reference, stride, limits.agreement or 0.0)
        tile_sizes: tuple[int, ...] = ()
        if manifest.shape.tile_exact:
            step("comparing tiles with the whole")
            tile_sizes = check_tiling(engine, Artifact(folder, unsealed))
        step("measuring the sharpening")
        pairs = (_fit(pair, request.size or _whole(pair, stride)) for pair in gate_pairs(request.data, manifest.task))
        gate = score_pairs(reference, exported, pairs)
        evidence["gate"] = gate.to_dict()
        check_quality(gate, limits)
        if request.fault:
            raise ParityError(f"the drill damaged {request.fault!r} and no gate noticed")
        step("sealing the artifact")
        _write_golden(folder, engine, manifest.io, request.size)
    manifest = dataclasses.replace(
        manifest,
        shape=dataclasses.replace(manifest.shape, tile_sizes=tile_sizes),
        parity=parity.to_dict(),
        gate={**gate.to_dict(), "limits": dataclasses.asdict(limits)},
    )
    (folder / "README.md").write_text(artifact_card(manifest, checkpoint.card), encoding="utf-8")
    seal(folder, manifest)
    return parity, gate


def _check_parity(parity: ParityReport, build: Build, agreement: float | None) -> None:
    """`check_parity`; of a quantized file the error names the layer that costs most."""
    try:
        check_parity(parity, agreement)
    except ParityError as error:
        worst = build.quantization.get("worst_layer")
        if worst is None:
            raise
        raise ParityError(
            str(error),
            hint=f"the layer that costs most is {worst!r}, alone {build.quantization['worst_layer_psnr']} dB; "
            f"keep it in float (--keep head,tail,{worst}), or calibrate with more photographs",
        ) from error


def _rounds(io: IoContract, precision: str) -> bool:
    """Whether 8-bit images cost more than the precision does."""
    return io.dtype != FLOAT_DTYPE and LIMITS[precision].photographs is None


def torch_run(student: Student) -> Run:
    """A function that runs a student in torch, without gradients."""

    def run(batch: F32) -> F32:
        with torch.inference_mode():
            output: F32 = student(torch.from_numpy(batch)).numpy()
        return output

    return run


def _probes(sizes: tuple[Size, ...], stride: int = TOTAL_STRIDE) -> list[Probe]:
    shapes = sizes or [(round_up(height, stride), round_up(width, stride)) for height, width in SHAPES]
    return [
        dataclasses.replace(probe, image=_fit_image(probe.image, shape))
        for shape in shapes
        for probe in parity_probes(*shape)
    ]


def _whole(pair: GatePair, stride: int) -> tuple[int, int]:
    """The size of the pair's input, up to the network's stride."""
    height, width = pair.degraded.shape[2:]
    return round_up(height, stride), round_up(width, stride)


def _fit(pair: GatePair, size: tuple[int, int]) -> GatePair:
    """The pair with an input of a static size: cut, or mirrored up to it."""
    times = pair.sharp.shape[2] // pair.degraded.shape[2]
    larger = size[0] * times, size[1] * times
    return dataclasses.replace(pair, degraded=_fit_image(pair.degraded, size), sharp=_fit_image(pair.sharp, larger))


def _fit_image(image: F32, size: tuple[int, int]) -> F32:
    image = image[:, :, : size[0], : size[1]]
    missing = ((0, 0), (0, 0), (0, size[0] - image.shape[2]), (0, size[1] - image.shape[3]))
    return np.ascontiguousarray(np.pad(image, missing, mode="reflect"))


def _manifest(request: ExportRequest, checkpoint: Checkpoint, build: Build) -> Manifest:
    config = checkpoint.network.config
    shape = geometry(config)
    height, width = request.size or (None, None)
    return Manifest(
        name=config.name,
        target=build.target or request.target,
        precision=request.precision,
        task=config.heads[0],
        model_file=build.model_file,
        io=with_task(build.io, config),
        shape=ShapeContract(
            height=height,
            width=width,
            multiple_of=shape.total_stride,
            halo=shape.halo,
            receptive_radius=shape.receptive_radius,
            tile_exact=shape.tile_exact and build.tileable,
        ),
        source={
            "checkpoint_sha256": checkpoint.sha256,
            "config": config.to_dict(),
            "training": checkpoint.card.get("training", {}),
        },
        calibration_key=build.calibration_key,
        quantization=build.quantization,
        graph=build.graph,
        tools={"ensharpen-edge": __version__, **build.tools},
        build={
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "machine": f"{platform.system()} {platform.machine()}",
        },
    )


def _write_golden(folder: Path, engine: Engine, io: IoContract, size: tuple[int, int] | None) -> None:
    """Vectors as the file takes them, and both images to look at."""
    height, width = size or (GOLDEN_SIDE, GOLDEN_SIDE)
    image = _fit_image(parity_probes(height, width)[0].image, (height, width))
    pixels = np.rint(image[0].transpose(1, 2, 0) * 255.0).astype(np.uint8)
    batch = to_batch(pixels, io)
    path = folder / GOLDEN
    path.parent.mkdir()
    np.savez_compressed(path, input=batch, expected=engine.run(batch))
    sharp, _ = sharpen_frame(engine, io, plan_tiles(height, width, tile=None, halo=0, stride=1), pixels)
    for name, picture in (("input", pixels), ("expected", sharp)):
        write_photo(Photo(picture), path.parent / f"{name}.png")


def _write_report(path: Path, evidence: dict[str, Any]) -> None:
    text = json.dumps(evidence, indent=2, allow_nan=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInputError(f"{path}: cannot write the report ({error})") from error
