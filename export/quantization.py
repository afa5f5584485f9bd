"""The quantization stage: calibration table and plan for a float graph, made or taken as they are; and the result."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from ensharpen_edge.calibration.degraded_crops import Preprocessing, training_mix
from ensharpen_edge.calibration.equalise import equalised
from ensharpen_edge.calibration.judge import Judge, JudgeImage
from ensharpen_edge.calibration.layers import Layer, resolve
from ensharpen_edge.calibration.photo_choice import ChoiceConfig
from ensharpen_edge.calibration.plan import FLOAT, Plan, load_plan, plan_file, save_plan, whole_plan
from ensharpen_edge.calibration.planning import PlanRequest, prepare_planning
from ensharpen_edge.calibration.recipe import Quantizer
from ensharpen_edge.calibration.run import CalibrationRequest, ChosenPhotos, FloatGraph, choose_photos, run_calibration
from ensharpen_edge.calibration.sensitivity import Damage, DamageMeter
from ensharpen_edge.calibration.session import graph_run
from ensharpen_edge.calibration.table import TABLE, CalibrationTable, check_fits, load_table
from ensharpen_edge.errors import IntegrityError, UsageError
from ensharpen_edge.export.probes import parity_probes

Step = Callable[[str], None]

ALL_LAYERS = "all"
"""In place of a plan's file: every layer but those kept by name, without a search."""

_PROBE_SIDE = 128


@dataclass(frozen=True)
class QuantizationRequest:
    """What is asked for besides the precision.

    Attributes:
        calibration: Folder of a calibration table, or of photographs to make one from.
        plan: File of a plan, `ALL_LAYERS`, or None for the one beside the table or a new one.
        wanted: Scheme, range method, rounding, limits of a new plan.
        count, crop: Of the crops, when there are photographs.
        allow_few: Accept fewer than 16 distinct photographs.
        cache: Folder of decoded photographs, or None.
    """

    calibration: Path
    plan: Path | str | None = None
    wanted: PlanRequest = field(default_factory=PlanRequest)
    count: int = 128
    crop: int = 256
    allow_few: bool = False
    cache: Path | None = None


@dataclass(frozen=True)
class Quantized:
    """A quantized network and how it came about.

    Attributes:
        quantizer: With the equalised float graph.
        plan: Which layers are computed in codes.
        costs: Of each int8 layer when it is the only one, the most expensive first.
        folder: Where table and plan are.
        skipped: Photographs that could not be used, and why.
    """

    quantizer: Quantizer
    plan: Plan
    costs: tuple[Damage, ...]
    folder: Path
    skipped: tuple[str, ...] = ()

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Those in codes."""
        return self.plan.chosen(self.quantizer.layers)

    def describe(self) -> dict[str, Any]:
        """For the report and the manifest, as JSON types."""
        worst = self.costs[0] if self.costs else None
        return {
            **asdict(self.quantizer.settings),
            "largest_weight": self.quantizer.scheme.largest_weight,
            "table": str(self.folder),
            "int8_layers": len(self.layers),
            "float_layers": list(self.plan.kept),
            "worst_layer": worst.name if worst else None,
            "worst_layer_psnr": round(worst.psnr, 2) if worst else None,
            "alone_psnr": {damage.name: round(damage.psnr, 2) for damage in self.costs},
            "plan_notes": self.plan.notes,
            "skipped": list(self.skipped),
        }


def shipped_calibration(model: str) -> Path | None:
    """Folder of the table and the plans that come with a shipped model, or None."""
    with resources.as_file(resources.files("ensharpen_edge.weights") / f"{model}-calibration") as folder:
        return folder if (folder / TABLE).is_file() else None


def quantize_graph(graph: FloatGraph, request: QuantizationRequest, folder: Path, step: Step) -> Quantized:
    """Calibrate, plan, quantize; whatever fits already is used again.

    Args:
        graph: The float graph.
        request: What is asked for.
        folder: Where a table made from photographs is kept.
        step: Called with what is going on.

    Raises:
        IntegrityError: A given table is for another network, or damaged.
        BadInputError: Unfit photographs.
        UsageError: A table without a plan, or a plan for another network.
        QualityError: No plan keeps enough.
    """
    if (request.calibration / TABLE).is_file():
        folder = request.calibration
        table, chosen, settings = _given_table(graph, folder), None, Preprocessing()
    else:
        settings = Preprocessing(training_mix(graph.training), request.crop)
        table, chosen = _made_table(graph, request, settings, folder, step)
    quantizer = Quantizer(equalised(graph.model, table.scales), table, request.wanted.settings)
    plan = _plan(graph, request, quantizer, chosen, settings, folder, step)
    layers = plan.chosen(quantizer.layers)
    step(f"quantizing {len(layers)} of {len(quantizer.layers)} layers")
    return Quantized(quantizer, plan, _costs(graph, quantizer, layers), folder, chosen.photos.skipped if chosen else ())


def _given_table(graph: FloatGraph, folder: Path) -> CalibrationTable:
    table = load_table(folder)
    check_fits(table.provenance, replace(table.provenance, weights=graph.weights, graph=graph.sha256), folder)
    return table


def _made_table(
    graph: FloatGraph, request: QuantizationRequest, settings: Preprocessing, folder: Path, step: Step
) -> tuple[CalibrationTable, ChosenPhotos]:
    step("choosing photographs")
    choice = ChoiceConfig(request.count, settings.chosen_side, settings.seed, request.allow_few)
    wanted = CalibrationRequest(
        request.calibration, choice, settings, request.wanted.settings.method, cache=request.cache
    )
    chosen = choose_photos(graph, wanted)
    try:
        return load_table(folder, chosen.provenance), chosen
    except IntegrityError:
        # Nobody named this table: it is our own of an earlier run, for something else, or there is none yet.
        count = len(chosen.choices)
        result = run_calibration(
            graph, wanted, chosen, folder, lambda done: step(f"calibrating, photograph {done}/{count}")
        )
        return result.table, chosen


def _plan(
    graph: FloatGraph,
    request: QuantizationRequest,
    quantizer: Quantizer,
    chosen: ChosenPhotos | None,
    settings: Preprocessing,
    folder: Path,
    step: Step,
) -> Plan:
    scheme = request.wanted.settings.scheme
    path = folder / plan_file(scheme)
    if request.plan == ALL_LAYERS:
        return whole_plan(quantizer.layers, scheme, request.wanted.keep)
    if request.plan is not None:
        return _ready_plan(Path(request.plan), quantizer, scheme)
    if chosen is None:
        if not path.is_file():
            raise UsageError(
                f"{folder}: holds no {path.name}",
                hint=f"ensharpen-calibrate --scheme {shlex.quote(scheme)} makes one; or give one with --plan, or "
                "photographs with --calib",
            )
        return _ready_plan(path, quantizer, scheme, request.wanted.keep)
    planning = prepare_planning(graph, quantizer.table, chosen, settings, request.wanted, folder)
    plan, _ = planning.search(request.wanted.keep, step)
    save_plan(plan, path)
    return plan


def _ready_plan(path: Path, quantizer: Quantizer, scheme: str, keep: Collection[str] = ()) -> Plan:
    """A plan from a file; the one beside a table with the layers that were asked for in float as well."""
    plan = load_plan(path)
    if plan.scheme != scheme:
        raise UsageError(f"{path}: is a plan for the scheme {plan.scheme!r}, not for {scheme!r}")
    plan.chosen(quantizer.layers)
    kept = resolve(keep, quantizer.layers)
    layers = {name: FLOAT if name in kept else how for name, how in plan.layers.items()}
    here = {"method": quantizer.settings.method, "rounding": quantizer.settings.rounding}
    if layers != plan.layers or plan.settings not in ({}, here):
        # The figures in its notes are of something else.
        plan = replace(plan, notes={"changed from": {"plan": path.name, **plan.settings}})
    return replace(plan, layers=layers, settings=here)


def _costs(graph: FloatGraph, quantizer: Quantizer, layers: Sequence[Layer]) -> tuple[Damage, ...]:
    """What each int8 layer does alone to the bundled photographs, so that a report can name the worst."""
    images = [
        JudgeImage(probe.name, probe.image, probe.image)
        for probe in parity_probes(_PROBE_SIDE, _PROBE_SIDE)
        if not probe.stress
    ]
    meter = DamageMeter(quantizer, Judge(images, graph_run(graph.model)))
    return tuple(sorted((meter.layer(layer) for layer in layers), key=lambda damage: damage.psnr))
