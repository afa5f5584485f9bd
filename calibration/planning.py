"""Make a plan from a calibration table: equalise, set up the judge, search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ensharpen_edge.calibration.equalise import equalised
from ensharpen_edge.calibration.judge import Judge, JudgeImage, JudgeLimits, Verdict, judge_images
from ensharpen_edge.calibration.plan import Plan
from ensharpen_edge.calibration.plan_search import find_plan
from ensharpen_edge.calibration.quantizer import QuantizationSettings, Quantizer
from ensharpen_edge.calibration.run import ChosenPhotos, FloatGraph
from ensharpen_edge.calibration.sensitivity import DamageMeter
from ensharpen_edge.calibration.session import Run, graph_run
from ensharpen_edge.calibration.table import CalibrationTable
from ensharpen_edge.metrics.psnr import mse
from ensharpen_edge.progress import Progress, no_progress

SENSITIVITY = "sensitivity.jsonl"
ATTEMPTS, MOST_MISSED = 4, 4
"""Searches, and images that join the judge's after each of them."""

ADDED = "searched again for"
"""Key in a plan's notes for images that joined the judge's, because the plan before failed on them."""

MISSED = "still fails on"
"""Key in a plan's notes for images that it was not judged by and differ on more than a photograph may."""

KEEP = ("head", "tail")
"""The last convolution and the residual addition behind it: their errors reach the image as they are."""


@dataclass(frozen=True)
class PlanRequest:
    """The plan that is wanted.

    Attributes:
        settings: Scheme, range method, rounding.
        keep: Layers that stay float in any case.
        plan_drop: Largest mean loss of PSNR against ground truth that the plan may cost, dB.
    """

    settings: QuantizationSettings = field(default_factory=QuantizationSettings)
    keep: tuple[str, ...] = KEEP
    plan_drop: float = 0.02


@dataclass(frozen=True)
class Planning:
    """Everything that a search needs, and sensitivity charts as well."""

    quantizer: Quantizer
    judge: Judge
    meter: DamageMeter
    others: tuple[JudgeImage, ...] = ()

    def search(self, keep: Sequence[str], progress: Progress = no_progress) -> tuple[Plan, Verdict]:
        """Return the plan that `plan_search.find_plan` finds, and the judge's verdict on it.

        While the quantized network fails on some of the other images, the worst of them join the judge's, so that the
        next search knows which layers they need. Their names, and those that the last plan still fails on, stand in
        its notes (`ADDED`, `MISSED`).

        Args:
            keep: Layers that stay float in any case.
            progress: Told which plans are tried.
        """
        judge, meter = self.judge, self.meter
        floats = graph_run(self.quantizer.model)
        missed: list[JudgeImage] = []
        added: list[str] = []
        for attempt in range(ATTEMPTS):
            if attempt:
                progress(f"fails on {len(missed)} other images, searching again")
                added += [image.name for image in missed[:MOST_MISSED]]
                judge = judge.with_images(missed[:MOST_MISSED], floats)
                meter = meter.with_judge(judge)
            plan, verdict = find_plan(self.quantizer, judge, meter, keep, progress)
            settings = self.quantizer.settings
            measured = {"method": settings.method, "rounding": settings.rounding}
            plan = replace(plan, notes={**plan.notes, ADDED: added}, settings=measured)
            missed = self._missed(graph_run(self.quantizer.quantized(plan.chosen(self.quantizer.layers))), floats)
            if not missed:
                return plan, verdict
        return replace(plan, notes={**plan.notes, MISSED: [image.name for image in missed]}), verdict

    def _missed(self, run: Run, floats: Run) -> list[JudgeImage]:
        """Return the images that differ more than a photograph may, the worst first."""
        errors = [mse(run(image.degraded), floats(image.degraded)) for image in self.others]
        limit = 10.0 ** (-self.judge.limits.photo_psnr / 10.0)
        order = sorted(range(len(errors)), key=lambda index: -errors[index])
        return [self.others[index] for index in order if errors[index] > limit]


def prepare_planning(
    graph: FloatGraph,
    table: CalibrationTable,
    chosen: ChosenPhotos,
    request: PlanRequest,
    folder: Path,
) -> Planning:
    """Set up quantizer, judge and meter; measurements are kept in `folder`."""
    quantizer = Quantizer(equalised(graph.model, table.scales), table, request.settings)
    images, others = judge_images(chosen.photos, chosen.choices, chosen.settings, graph.multiple_of, graph.task)
    judge = Judge(images, graph_run(graph.model), replace(JudgeLimits(), max_drop=request.plan_drop))
    return Planning(quantizer, judge, DamageMeter(quantizer, judge, folder / SENSITIVITY), tuple(others))
