"""Compare range methods, roundings and equalisation, side by side on the judge's images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ensharpen_edge.calibration.judge import Judge, Verdict
from ensharpen_edge.calibration.layers import Layer, resolve
from ensharpen_edge.calibration.plan_search import find_plan
from ensharpen_edge.calibration.planning import Planning, PlanRequest
from ensharpen_edge.calibration.quantizer import QuantizationSettings, Quantizer
from ensharpen_edge.calibration.ranges import METHODS
from ensharpen_edge.calibration.rounding import ROUNDINGS
from ensharpen_edge.calibration.sensitivity import DamageMeter
from ensharpen_edge.calibration.session import graph_run
from ensharpen_edge.errors import QualityError
from ensharpen_edge.progress import Progress, no_progress


@dataclass(frozen=True)
class Comparison:
    """One choice and its worth.

    Attributes:
        name: The difference to the base choice.
        whole: Verdict on every layer in int8 but those kept by name.
        int8_layers: Number of int8 layers in the plan that was found with this choice, 0 when there is none.
    """

    name: str
    whole: Verdict
    int8_layers: int


def compare_choices(
    planning: Planning, plain: Quantizer, request: PlanRequest, progress: Progress = no_progress
) -> list[Comparison]:
    """Return the worth of every range method, every rounding, and the network without equalisation.

    Args:
        planning: Judge and quantizer of the equalised network.
        plain: The network as it was trained, calibrated on the same crops.
        request: The choice that the others differ from in one point.
        progress: Told which choice is tried.
    """
    base, quantizer = request.settings, planning.quantizer
    choices: list[tuple[str, Quantizer, QuantizationSettings]] = [
        (f"ranges: {method}", quantizer, replace(base, method=method)) for method in METHODS
    ]
    choices += [
        (f"rounding: {rounding}", quantizer, replace(base, rounding=rounding))
        for rounding in ROUNDINGS
        if rounding != base.rounding
    ]
    choices.append(("without equalisation", plain, base))
    rows = []
    for number, (name, source, settings) in enumerate(choices):
        progress(f"comparing {name}", number, len(choices))
        made = Quantizer(source.model, source.table, settings)
        verdict = planning.judge.verdict(graph_run(made.quantized(_all_but(made.layers, request.keep))))
        try:
            layers = _int8_layers(made, planning.judge, request)
        except QualityError:
            layers = 0
        rows.append(Comparison(name, verdict, layers))
    return rows


def _int8_layers(quantizer: Quantizer, judge: Judge, request: PlanRequest) -> int:
    plan, _ = find_plan(quantizer, judge, DamageMeter(quantizer, judge), request.keep)
    return len(plan.layers) - len(plan.kept)


def _all_but(layers: Sequence[Layer], keep: Sequence[str]) -> list[Layer]:
    kept = resolve(keep, layers)
    return [layer for layer in layers if layer.name not in kept]
