"""The quantization stage: calibration table and plan for a float graph, made or taken as they are; and the result."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from ensharpen_edge.calibration.equalise import equalised
from ensharpen_edge.calibration.judge import Judge, JudgeImage
from ensharpen_edge.calibration.layers import Layer, resolve
from ensharpen_edge.calibration.plan import FLOAT, Plan, load_plan, plan_file, save_plan, whole_plan
from ensharpen_edge.calibration.planning import PlanRequest, prepare_planning
from ensharpen_edge.calibration.qat.shipped import shipped_trained
from ensharpen_edge.calibration.quantizer import QuantizationSettings, Quantizer
from ensharpen_edge.calibration.run import ChosenPhotos, FloatGraph, choose_photos, run_calibration, table_provenance
from ensharpen_edge.calibration.schemes import find_scheme
from ensharpen_edge.calibration.sensitivity import Damage, DamageMeter
from ensharpen_edge.calibration.session import graph_run
from ensharpen_edge.calibration.settings import CalibrationSettings
from ensharpen_edge.calibration.table import TABLE, CalibrationTable, check_fits, load_table
from ensharpen_edge.data.cache import default_cache
from ensharpen_edge.errors import IntegrityError, UsageError
from ensharpen_edge.export.proof.ladder import Rung
from ensharpen_edge.export.proof.probes import parity_probes
from ensharpen_edge.progress import Progress

ALL_LAYERS = "all"
"""In place of a plan's file: every layer but those kept by name, without a search."""

_PROBE_SIDE = 128


FLAGS = {
    "calibration": "--calib",
    "plan": "--plan",
    "scheme": "--scheme",
    "method": "--method",
    "rounding": "--rounding",
    "keep": "--keep",
    "plan_drop": "--plan-drop",
    "count": "-n",
    "crop": "--crop",
    "allow_few": "--allow-few",
    "cache": "cache",
    "trained": "--trained",
}
"""Options of the command by the fields of a `QuantizationRequest`, for messages."""


@dataclass(frozen=True)
class QuantizationRequest:
    """Wishes for a calibrated precision. None stands for the usual in every field.

    Attributes:
        calibration: Folder of a calibration table, or of photographs to make one from; None for the table that comes
            with a shipped model.
        plan: File of a plan, `ALL_LAYERS`, or None for the one beside the table or a new one.
        scheme: Name in `schemes.SCHEMES`; None for the target's usual one.
        method: Range method in `ranges.METHODS`.
        rounding: Rounding of weights in `rounding.ROUNDINGS`.
        keep: Layers that stay float, as `layers.resolve` takes them.
        plan_drop: Largest mean loss of PSNR that a new plan may cost, dB.
        count, crop: Number of crops, and their side in pixels, when there are photographs.
        allow_few: Whether fewer than 16 distinct photographs are accepted.
        cache: Folder of decoded photographs; None for the user's (`data.cache.default_cache`).
        trained: Network that was trained in 8 bits: the name of a shipped one, or the file of
            `ensharpen-train quantize`; None for a calibration.
    """

    calibration: Path | None = None
    plan: Path | str | None = None
    scheme: str | None = None
    method: str | None = None
    rounding: str | None = None
    keep: tuple[str, ...] | None = None
    plan_drop: float | None = None
    count: int | None = None
    crop: int | None = None
    allow_few: bool = False
    cache: Path | None = None
    trained: Path | str | None = None

    def given(self, *names: str) -> dict[str, Any]:
        """Return the fields of these names that are neither None nor False; without names, of all."""
        values = {name: getattr(self, name) for name in names or FLAGS}
        return {name: value for name, value in values.items() if value is not None and value is not False}

    @property
    def wanted(self) -> PlanRequest:
        """Scheme, range method, rounding, and the limits of a new plan.

        Raises:
            UsageError: An unknown name.
        """
        settings = QuantizationSettings(**self.given("scheme", "method", "rounding"))
        return PlanRequest(settings, **self.given("keep", "plan_drop"))

    @property
    def ready_table(self) -> bool:
        """Whether `calibration` is a finished table."""
        return self.calibration is not None and (self.calibration / TABLE).is_file()

    def completed(self, model: str, precision: str, scheme: str, takes_trained: bool = True) -> QuantizationRequest:
        """Return the request with a trained network, or with a calibration, and a scheme.

        Args:
            model: Name of a shipped model, or path of a checkpoint.
            precision: Name of the calibrated precision.
            scheme: Scheme to use.
            takes_trained: Whether the target writes networks that were trained in 8 bits.

        Raises:
            UsageError: There is nothing to calibrate with, or a field could have no effect, or a name is unknown.
        """
        trained = self._trained(scheme, takes_trained)
        if trained is not None:
            return replace(self, trained=trained, scheme=scheme)
        calibration = self.calibration or shipped_calibration(model)
        if calibration is None:
            raise UsageError(
                f"{precision} needs photographs, or a calibration table made from them",
                hint="--calib my_photos; or --trained FILE, of ensharpen-train quantize",
            )
        made = replace(self, calibration=calibration, scheme=scheme, trained=None)
        for idle, names, reason in (
            (made.ready_table, ("count", "crop", "allow_few"), "the calibration is a finished table"),
            (made.ready_table or self.plan is not None, ("plan_drop",), "the plan is a finished one"),
            (self.plan not in (None, ALL_LAYERS), ("keep",), "the file of --plan says what stays float"),
        ):
            if idle:
                refuse_idle(self.given(*names), reason, "leave it out, or give photographs: --calib FOLDER")
        _ = made.wanted
        return made

    def _trained(self, scheme: str, takes_trained: bool) -> Path | None:
        if self.trained is None:
            return None
        if not (takes_trained and find_scheme(scheme).placements):
            raise UsageError(
                f"--trained: files of the scheme {scheme!r} here are not made from networks trained in 8 bits",
                hint="those for tflite and trt are, and for onnx with --scheme 'onnx vnni'",
            )
        refuse_idle(
            self.given(*(name for name in FLAGS if name not in ("trained", "scheme", "cache"))),
            "a trained network brings its codes along",
        )
        return shipped_trained().get(str(self.trained), Path(self.trained))


def refuse_idle(given: Collection[str], reason: str, hint: str = "leave it out") -> None:
    """Raise `UsageError` when there are fields (see `FLAGS`) that could have no effect, for this reason."""
    if given:
        raise UsageError(f"{', '.join(FLAGS[name] for name in given)}: would do nothing: {reason}", hint=hint)


@dataclass(frozen=True)
class Quantized:
    """A quantized network and how it came about.

    Attributes:
        quantizer: The equalised float graph with its calibration.
        plan: Layers that are computed in codes.
        costs: Damage of each int8 layer when it is the only one, the most expensive first.
        folder: Folder of table and plan.
        skipped: Photographs that could not be used, and why.
    """

    quantizer: Quantizer
    plan: Plan
    costs: tuple[Damage, ...]
    folder: Path
    skipped: tuple[str, ...] = ()

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Layers in codes."""
        return self.plan.chosen(self.quantizer.layers)

    @property
    def key(self) -> str | None:
        """Key of the calibration table."""
        return self.quantizer.table.provenance.key

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """Forms on the way that compute what the network does."""
        return (Rung("equalised", graph_run(self.quantizer.model)),)

    def describe(self) -> dict[str, Any]:
        """Return the facts for the report and the manifest, as JSON types."""
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
    """Return the folder of the table and the plans that come with a shipped model, or None."""
    with resources.as_file(resources.files("ensharpen_edge.weights") / f"{model}-calibration") as folder:
        return folder if (folder / TABLE).is_file() else None


@dataclass(frozen=True)
class Calibrated:
    """A float graph with its calibration, and the photographs of a table that was made for it.

    Attributes:
        graph: The float graph.
        request: The wishes, complete.
        folder: Folder of the table and of the plans beside it.
        table: Calibration of the graph.
        chosen: Photographs that the table was made from; None for a table that was given.
    """

    graph: FloatGraph
    request: QuantizationRequest
    folder: Path
    table: CalibrationTable
    chosen: ChosenPhotos | None

    @property
    def quantizer(self) -> Quantizer:
        """The equalised graph, ready to be quantized."""
        return Quantizer(equalised(self.graph.model, self.table.scales), self.table, self.request.wanted.settings)


def quantize_graph(graph: FloatGraph, request: QuantizationRequest, folder: Path, progress: Progress) -> Quantized:
    """Calibrate, plan, quantize; whatever fits already is used again.

    Args:
        graph: The float graph.
        request: The wishes, complete (see `QuantizationRequest.completed`).
        folder: Folder that keeps a table made from photographs.
        progress: Told about each step.

    Raises:
        IntegrityError: A given table is for another network, or damaged.
        BadInputError: Unfit photographs.
        UsageError: A table without a plan, or a plan for another network.
        QualityError: No plan keeps enough.
    """
    calibrated = _calibrated(graph, request, folder, progress)
    quantizer = calibrated.quantizer
    plan = _plan(calibrated, quantizer, progress)
    layers = plan.chosen(quantizer.layers)
    progress(f"quantizing {len(layers)} of {len(quantizer.layers)} layers")
    skipped = calibrated.chosen.photos.skipped if calibrated.chosen else ()
    return Quantized(quantizer, plan, _costs(graph, quantizer, layers), calibrated.folder, skipped)


def _calibrated(graph: FloatGraph, request: QuantizationRequest, folder: Path, progress: Progress) -> Calibrated:
    if request.calibration is None:
        raise UsageError(f"{graph.name}: there is nothing to calibrate with", hint="--calib my_photos")
    if request.ready_table:
        table = load_table(request.calibration)
        fitting = replace(table.provenance, weights=graph.weights, graph=graph.sha256)
        check_fits(table.provenance, fitting, request.calibration)
        return Calibrated(graph, request, request.calibration, table, None)
    progress("choosing photographs")
    settings = CalibrationSettings(
        request.calibration, cache=request.cache or default_cache(), **request.given("count", "crop", "allow_few")
    )
    chosen = choose_photos(graph, settings)
    try:
        table = load_table(folder, table_provenance(graph, chosen))
    except IntegrityError:
        # Nobody named this table: it is our own of an earlier run, for something else, or there is none yet.
        table = run_calibration(graph, chosen, folder, request.wanted.settings.method, progress).table
    return Calibrated(graph, request, folder, table, chosen)


def _plan(calibrated: Calibrated, quantizer: Quantizer, progress: Progress) -> Plan:
    request, wanted = calibrated.request, calibrated.request.wanted
    scheme = wanted.settings.scheme
    path = calibrated.folder / plan_file(scheme)
    if request.plan == ALL_LAYERS:
        return whole_plan(quantizer.layers, scheme, wanted.keep)
    if request.plan is not None:
        return _ready_plan(Path(request.plan), quantizer, scheme)
    if calibrated.chosen is None:
        if not path.is_file():
            raise UsageError(
                f"{calibrated.folder}: holds no {path.name}",
                hint=f"ensharpen-calibrate --scheme {shlex.quote(scheme)} makes one; or give one with --plan, or "
                "photographs with --calib",
            )
        return _ready_plan(path, quantizer, scheme, wanted.keep)
    planning = prepare_planning(calibrated.graph, calibrated.table, calibrated.chosen, wanted, calibrated.folder)
    plan, _ = planning.search(wanted.keep, progress)
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
    """Return the damage of each int8 layer alone to the bundled photographs, so that a report can name the worst."""
    images = [
        JudgeImage(probe.name, probe.image, probe.image)
        for probe in parity_probes(_PROBE_SIDE, _PROBE_SIDE)
        if not probe.stress
    ]
    meter = DamageMeter(quantizer, Judge(images, graph_run(graph.model)))
    return tuple(sorted((meter.layer(layer) for layer in layers), key=lambda damage: damage.psnr))
