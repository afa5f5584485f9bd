"""Calibrate a network: from an artifact and photographs to its table, its plan, and what its layers cost."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.calibration.chart import draw_sensitivities
from ensharpen_edge.calibration.compare import Comparison, compare_choices
from ensharpen_edge.calibration.plan import Plan, plan_file, save_plan
from ensharpen_edge.calibration.planning import Planning, PlanRequest, prepare_planning
from ensharpen_edge.calibration.quantizer import Quantizer
from ensharpen_edge.calibration.run import (
    CalibrationResult,
    ChosenPhotos,
    FloatGraph,
    choose_photos,
    refuse_enlarging,
    run_calibration,
)
from ensharpen_edge.calibration.sensitivity import Damage, measure_all
from ensharpen_edge.calibration.settings import CalibrationSettings
from ensharpen_edge.calibration.stability import UNSTABLE
from ensharpen_edge.calibration.table import CalibrationTable
from ensharpen_edge.errors import UsageError
from ensharpen_edge.process_memory import peak_resident_mib
from ensharpen_edge.progress import Progress, no_progress

CHART, PLAIN = "sensitivity.png", "without-equalisation"


@dataclass(frozen=True)
class CalibrateRequest:
    """One call of `calibrate`.

    Attributes:
        artifact: Folder of an fp32 ONNX artifact.
        settings: Photographs, crops, and how tensors are looked at.
        plan: Scheme, range method and rounding, the layers that stay float, and what a plan may cost.
        out: Folder of the table and all that belongs to it; None stands for `ARTIFACT-calibration`.
        search: Find the plan with the fewest float layers.
        sensitivity: Measure every layer and tensor, alone and left out, and draw a chart.
        compare: Measure every range method, every rounding, and the network without equalisation.
    """

    artifact: Path
    settings: CalibrationSettings
    plan: PlanRequest = field(default_factory=PlanRequest)
    out: Path | None = None
    search: bool = True
    sensitivity: bool = False
    compare: bool = False

    @property
    def folder(self) -> Path:
        """Folder that the results go to."""
        return self.out or self.artifact.with_name(f"{self.artifact.name}-calibration")


@dataclass(frozen=True)
class CalibrateResult:
    """A calibrated network.

    Attributes:
        folder: Folder of the table, the plan and the chart.
        calibration: The table, and how far ranges differ between the halves of the crops.
        chosen: The photographs and crops.
        plan: The plan that was found, or None without a search.
        plan_path: File of the plan, or None.
        sensitivities: Damage of each layer and tensor; empty unless asked for.
        chart: Picture of the sensitivities, or None.
        comparisons: Worth of each choice; empty unless asked for.
        peak_mib: Peak memory of this process in MiB.
    """

    folder: Path
    calibration: CalibrationResult
    chosen: ChosenPhotos
    plan: Plan | None
    plan_path: Path | None
    sensitivities: tuple[Damage, ...]
    chart: Path | None
    comparisons: tuple[Comparison, ...]
    peak_mib: float

    @property
    def table(self) -> CalibrationTable:
        """The table, as it was written."""
        return self.calibration.table

    @property
    def unstable(self) -> dict[str, float]:
        """Shares by which ranges move between the halves of the crops, by tensor, where it is more than `UNSTABLE`."""
        return {m.tensor: m.share for m in self.calibration.movements if m.share > UNSTABLE}

    def to_dict(self) -> dict[str, Any]:
        """Return the report, as JSON types."""
        choices = self.table.choices
        return {
            "table": str(self.folder),
            "key": self.table.provenance.key,
            "crops": len(choices),
            "photographs": len({choice.sha256 for choice in choices}),
            "tensors": len(self.table.histograms),
            "unstable": {tensor: round(share, 3) for tensor, share in self.unstable.items()},
            "skipped": list(self.chosen.photos.skipped),
            "cost": {
                "seconds_per_crop": self.calibration.seconds / len(choices),
                "peak_mib": round(self.peak_mib, 1),
            },
            "plan": None if self.plan is None else {"layers": self.plan.layers, "notes": self.plan.notes},
            "sensitivity": [
                {"kind": d.kind, "name": d.name, "how": d.how, "psnr": round(d.psnr, 2)} for d in self.sensitivities
            ],
        }


def calibrate(request: CalibrateRequest, progress: Progress = no_progress) -> CalibrateResult:
    """Choose crops, run the network on them once, write the calibration table, and find a plan.

    Measurements of sensitivity are kept beside the table, so an interrupted or repeated call goes on.

    Args:
        request: The artifact, the photographs, and what is wanted of them.
        progress: Told what is going on.

    Raises:
        UsageError: Not an fp32 ONNX artifact, a network that enlarges, or settings that do not fit it.
        BadInputError: The photographs are unfit, or the folder cannot be written.
        IntegrityError: The artifact is damaged.
        QualityError: Not even one layer can be quantized within the limits.
        MissingToolError: onnx, onnxruntime, or for the chart matplotlib is not installed.
    """
    graph = _checked_graph(request)
    folder, wanted = request.folder, request.plan
    chosen = choose_photos(graph, request.settings)
    calibration = run_calibration(graph, chosen, folder, wanted.settings.method, progress)
    plan: Plan | None = None
    damages: list[Damage] = []
    comparisons: list[Comparison] = []
    path, chart = folder / plan_file(wanted.settings.scheme), folder / CHART
    if request.search or request.sensitivity or request.compare:
        planning = prepare_planning(graph, calibration.table, chosen, wanted, folder)
        if request.search:
            plan, _ = planning.search(wanted.keep, progress)
            save_plan(plan, path)
        if request.sensitivity:
            damages = measure_all(planning.meter, planning.quantizer, progress)
            title = f"{graph.name}, scheme {wanted.settings.scheme}, ranges {wanted.settings.method}"
            draw_sensitivities(damages, plan, title, chart)
        if request.compare:
            comparisons = _compare(planning, graph, chosen, request, progress)
    return CalibrateResult(
        folder,
        calibration,
        chosen,
        plan,
        path if plan else None,
        tuple(damages),
        chart if damages else None,
        tuple(comparisons),
        peak_resident_mib(),
    )


def _checked_graph(request: CalibrateRequest) -> FloatGraph:
    opened = Artifact.open(request.artifact)
    manifest = opened.manifest
    if (manifest.traits.format, manifest.traits.can_be_timed, manifest.precision) != ("onnx", True, "fp32"):
        raise UsageError(
            f"{request.artifact}: is {manifest.target} {manifest.precision}; ranges are collected on the fp32 ONNX "
            "artifact",
            hint="ensharpen-export --target onnx --precision fp32",
        )
    crop, multiple_of = request.settings.crop, manifest.shape.multiple_of
    if crop % multiple_of:
        raise UsageError(f"--crop must be a multiple of {multiple_of} for {manifest.name}, got {crop}")
    refuse_enlarging(str(request.artifact), manifest.io.enlarges)
    return FloatGraph.of_artifact(opened)


def _compare(
    planning: Planning, graph: FloatGraph, chosen: ChosenPhotos, request: CalibrateRequest, progress: Progress
) -> list[Comparison]:
    unequal = replace(chosen, settings=replace(chosen.settings, equalise=False))
    method = request.plan.settings.method
    plain = run_calibration(graph, unequal, request.folder / PLAIN, method, progress)
    quantizer = Quantizer(graph.model, plain.table, request.plan.settings)
    return compare_choices(planning, quantizer, request.plan, progress)
