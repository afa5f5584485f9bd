"""From a table to a plan: equalise, set up the judge, search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ensharpen_edge.calibration.degraded_crops import Preprocessing
from ensharpen_edge.calibration.equalise import equalised
from ensharpen_edge.calibration.judge import Judge, JudgeLimits, Verdict, judge_images
from ensharpen_edge.calibration.plan import Plan
from ensharpen_edge.calibration.plan_search import find_plan
from ensharpen_edge.calibration.recipe import QuantizationSettings, Quantizer
from ensharpen_edge.calibration.run import ChosenPhotos, FloatGraph
from ensharpen_edge.calibration.sensitivity import DamageMeter
from ensharpen_edge.calibration.session import graph_run
from ensharpen_edge.calibration.table import CalibrationTable

SENSITIVITY = "sensitivity.jsonl"
KEEP = ("head", "tail")
"""The last convolution and the residual addition behind it: their errors reach the image as they are."""


@dataclass(frozen=True)
class PlanRequest:
    """What a plan must keep.

    Attributes:
        settings: Scheme, range method, rounding.
        keep: Layers that stay float in any case.
        max_drop: Largest mean loss of PSNR against the truth, dB.
    """

    settings: QuantizationSettings = field(default_factory=QuantizationSettings)
    keep: tuple[str, ...] = KEEP
    max_drop: float = 0.02


@dataclass(frozen=True)
class Planning:
    """Everything that a search needs, and sensitivity charts as well."""

    quantizer: Quantizer
    judge: Judge
    meter: DamageMeter

    def search(self, keep: Sequence[str], progress: Callable[[str], None]) -> tuple[Plan, Verdict]:
        """See `plan_search.find_plan`."""
        return find_plan(self.quantizer, self.judge, self.meter, keep, progress)


def prepare_planning(
    graph: FloatGraph,
    table: CalibrationTable,
    chosen: ChosenPhotos,
    preprocessing: Preprocessing,
    request: PlanRequest,
    folder: Path,
) -> Planning:
    """Set up quantizer, judge and meter; measurements are kept in `folder`."""
    quantizer = Quantizer(equalised(graph.model, table.scales), table, request.settings)
    images = judge_images(chosen.photos, chosen.choices, preprocessing, graph.multiple_of)
    judge = Judge(images, graph_run(graph.model), replace(JudgeLimits(), max_drop=request.max_drop))
    return Planning(quantizer, judge, DamageMeter(quantizer, judge, folder / SENSITIVITY))
