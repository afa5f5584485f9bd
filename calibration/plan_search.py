"""The plan with the fewest float layers within the judge's limits: greedy on measured damages, confirmed on the metric.

The squared errors that tensors and weights add to the output are nearly independent, so a plan's damage is predicted
as the sum of its parts' damages. Layers whose liberation lowers the prediction most, per layer, go to float until the
quantized network itself passes; then the layers that cost least are taken back, as long as it still passes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from ensharpen_edge.arrays import F64
from ensharpen_edge.calibration.judge import Judge, Verdict
from ensharpen_edge.calibration.layers import Layer, resolve
from ensharpen_edge.calibration.plan import FLOAT, INT8, Plan
from ensharpen_edge.calibration.quantizer import Quantizer
from ensharpen_edge.calibration.sensitivity import Damage, DamageMeter
from ensharpen_edge.calibration.session import graph_run
from ensharpen_edge.errors import QualityError
from ensharpen_edge.progress import Progress, no_progress

_POWER = 4
"""Power of the norm over images: close to the worst image, and still sensitive to the others."""
_SLACK = 1.25
"""A plan is tried when no image's predicted error is more than so many times what it may be."""


@dataclass(frozen=True)
class _Damages:
    """(N,) errors of every part: of a tensor for all its readers, of a weight, of a tensor for one layer."""

    tensors: dict[str, F64]
    weights: dict[str, F64]
    reads: dict[tuple[str, str], F64]


def find_plan(
    quantizer: Quantizer,
    judge: Judge,
    meter: DamageMeter,
    keep: Sequence[str] = (),
    progress: Progress = no_progress,
) -> tuple[Plan, Verdict]:
    """Find the plan with the fewest float layers that keeps the judge's limits.

    Args:
        quantizer: The network, ready to be quantized.
        judge: Says whether a quantized network keeps the limits.
        meter: Measures what each part costs.
        keep: Layers that stay float in any case, as `layers.resolve` takes them.
        progress: Told which plans are tried.

    Returns:
        The plan, and the judge's verdict on the network quantized by it.

    Raises:
        UsageError: A name to keep fits no layer.
        QualityError: Not even one layer can be quantized within the limits.
    """
    kept = set(resolve(keep, quantizer.layers))
    damages = _damages(quantizer, meter, progress)
    freed: list[str] = []
    verdict = None

    def without(floats: Collection[str]) -> list[Layer]:
        return [layer for layer in quantizer.layers if layer.name not in kept and layer.name not in floats]

    while True:
        chosen = without(freed)
        if not chosen:
            raise QualityError(
                "no layer can be quantized within the limits", hint="allow more with --plan-drop, or export fp16"
            )
        predicted = _predicted(chosen, quantizer, damages)
        if (predicted <= judge.allowed * _SLACK).all():
            progress(f"trying {len(chosen)} of {len(quantizer.layers)} layers in int8")
            verdict = judge.verdict(graph_run(quantizer.quantized(chosen)))
            if verdict.passed:
                break
        freed += _cheapest_relief(chosen, quantizer, damages, judge.allowed)
    left = list(freed)
    while left:
        name = min(left, key=lambda name: _cost(without(set(freed) - {name}), quantizer, damages, judge.allowed))
        left.remove(name)
        trial = without(set(freed) - {name})
        if not (_predicted(trial, quantizer, damages) <= judge.allowed * _SLACK).all():
            break
        progress(f"taking {name} back")
        second = judge.verdict(graph_run(quantizer.quantized(trial)))
        if second.passed:
            verdict = second
            freed.remove(name)
    floats = kept | set(freed)
    layers = {layer.name: FLOAT if layer.name in floats else INT8 for layer in quantizer.layers}
    return Plan(layers, quantizer.settings.scheme, _notes(verdict, judge, kept)), verdict


def _damages(quantizer: Quantizer, meter: DamageMeter, progress: Progress) -> _Damages:
    layers = quantizer.layers
    written = sorted({layer.output for layer in layers}) if quantizer.scheme.outputs else []
    convolutions = [layer for layer in layers if layer.weight]
    pairs = [(layer, name) for layer in layers for name in dict.fromkeys(layer.inputs)]
    total = len(written) + len(convolutions) + len(pairs)
    done = count(1)

    def measured(damage: Damage) -> F64:
        progress("measuring what tensors and weights cost", next(done), total)
        return np.array(damage.errors)

    return _Damages(
        {name: measured(meter.tensor(name)) for name in written},
        {layer.name: measured(meter.weight(layer)) for layer in convolutions},
        {(layer.name, name): measured(meter.read(layer, name)) for layer, name in pairs},
    )


def _predicted(layers: Sequence[Layer], quantizer: Quantizer, damages: _Damages) -> F64:
    """Return the (N,) errors of all images with these layers quantized."""
    reads = quantizer.reads(layers)
    parts = [damages.tensors[name] for name, nodes in reads.items() if nodes is None]
    for layer in layers:
        parts += [damages.reads[layer.name, name] for name in dict.fromkeys(layer.inputs) if reads[name] is not None]
        if layer.weight:
            parts.append(damages.weights[layer.name])
    return np.asarray(np.sum(parts, axis=0))


def _cost(layers: Sequence[Layer], quantizer: Quantizer, damages: _Damages, allowed: F64) -> float:
    """Return how far the prediction for these layers uses up what is allowed; 0 for none."""
    if not layers:
        return 0.0
    return float(np.linalg.norm(_predicted(layers, quantizer, damages) / allowed, _POWER))


def _cheapest_relief(chosen: Sequence[Layer], quantizer: Quantizer, damages: _Damages, allowed: F64) -> list[str]:
    """Return the layers around one tensor, or one layer, that relieve the prediction most per layer."""

    now = _cost(chosen, quantizer, damages, allowed)
    around = {
        frozenset(layer.name for layer in chosen if name in quantizer.reads([layer]))
        for name in quantizer.reads(chosen)
    }
    options = {group for group in around if group} | {frozenset([layer.name]) for layer in chosen}

    def relief(group: frozenset[str]) -> tuple[float, str]:
        # The names break ties, so the search does not depend on the order of sets.
        left = [layer for layer in chosen if layer.name not in group]
        return (now - _cost(left, quantizer, damages, allowed)) / len(group), ",".join(sorted(group))

    best: frozenset[str] = max(options, key=relief)
    return sorted(best)


def _notes(verdict: Verdict, judge: Judge, kept: set[str]) -> dict[str, object]:
    return {
        "images": len(judge.images),
        "worst photograph, dB against float": round(verdict.worst_photo, 2),
        "worst synthetic image, dB against float": round(verdict.worst_synthetic, 2),
        "mean drop, dB": round(verdict.drop, 4),
        "retained gain": None if verdict.retained is None else round(verdict.retained, 4),
        "kept by name": sorted(kept),
    }
