"""Quality of artifacts, beside the degraded input and the best unsharp mask, on the same pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ensharpen_edge.arrays import F32
from ensharpen_edge.artifact import Artifact
from ensharpen_edge.benchmarks.quality.classical.unsharp import SETTINGS, unsharp_mask
from ensharpen_edge.benchmarks.quality.suites import Pair
from ensharpen_edge.errors import BadInputError
from ensharpen_edge.imaging.resample import resampled
from ensharpen_edge.metrics.registry import Measure
from ensharpen_edge.runtime.engines.base import Runner
from ensharpen_edge.runtime.pipeline import plan_for, sharpen_frame

DEGRADED, BEST_UNSHARP = "degraded", "best unsharp"

Method = Callable[[F32], F32]
"""Function from an image, float32 (H, W, 3) in [0, 1], to the sharpened one, of the same size or enlarged."""


@dataclass(frozen=True)
class Score:
    """One method on one condition.

    Attributes:
        method: Name of the method.
        values: Value of every photograph, by metric.
        setting: Name of the best setting, where several were tried.
    """

    method: str
    values: dict[str, tuple[float, ...]]
    setting: str = ""

    def mean(self, metric: str) -> float:
        """Return the mean over the photographs."""
        return float(np.mean(self.values[metric]))


def artifact_method(artifact: Artifact, engine: Runner) -> Method:
    """Return the artifact as a method: the runtime's own pipeline, without rounding its input to 8 bits."""

    def run(image: F32) -> F32:
        windows = plan_for(artifact, image.shape[0], image.shape[1], "off")
        return sharpen_frame(engine, artifact.manifest.io, windows, image)[0]

    return run


def unsharp_methods() -> dict[str, Method]:
    """Return unsharp masks by setting."""
    return {f"{radius:g}/{percent}": _unsharp(radius, percent) for radius, percent in SETTINGS}


def _unsharp(radius: float, percent: int) -> Method:
    return lambda image: unsharp_mask(image, radius, percent)


def evaluate(
    pairs: Iterable[Pair],
    methods: Mapping[str, Method],
    measures: dict[str, Measure],
    advance: Callable[[], None] = lambda: None,
    oracles: Mapping[str, Mapping[str, Method]] = {},
    masks: Mapping[str, Method] | None = None,
) -> list[Score]:
    """Measure the degraded photographs, the best unsharp mask (by the first metric), oracles, and every method.

    Args:
        pairs: Photographs.
        methods: Methods by name.
        measures: Measures by metric; the first must be one where higher is better.
        advance: Called after each photograph.
        oracles: Methods by name and setting; the best setting of each counts, as it does for the unsharp mask.
        masks: Unsharp masks by setting; None takes `unsharp_methods()`, and without any the unsharp mask is left out.

    Returns:
        Scores of the degraded input, the unsharp mask, the oracles, and the methods in their order.

    Raises:
        BadInputError: A metric cannot measure a photograph, or a method enlarges one by another factor.
    """
    groups: dict[str, Mapping[str, Method]] = {
        DEGRADED: {"": lambda image: image},
        **({BEST_UNSHARP: tried} if (tried := unsharp_methods() if masks is None else masks) else {}),
        **oracles,
        **{name: {"": method} for name, method in methods.items()},
    }
    rows: dict[tuple[str, str], dict[str, list[float]]] = {
        (name, setting): {metric: [] for metric in measures} for name, group in groups.items() for setting in group
    }
    for pair in pairs:
        target = pair.truth
        for name, setting in rows:
            output = run_method(groups[name][setting], pair)
            for metric, measure in measures.items():
                try:
                    rows[name, setting][metric].append(measure(output, target, data_range=1.0))
                except ValueError as error:
                    raise BadInputError(f"{pair.name}: {metric} cannot be measured ({error})") from error
        advance()
    scores = [
        Score(name, {metric: tuple(v) for metric, v in values.items()}, setting)
        for (name, setting), values in rows.items()
    ]
    first = next(iter(measures))
    return [
        max((score for score in scores if score.method == name), key=lambda score: score.mean(first)) for name in groups
    ]


def run_method(method: Method, pair: Pair) -> F32:
    """Return the method's image, of the truth's size: a method that keeps the size is given the photograph enlarged.

    Raises:
        BadInputError: The method enlarges by another factor than the pair asks for.
    """
    output, wanted = method(pair.degraded), pair.sharp.shape
    if output.shape != wanted and output.shape == pair.degraded.shape:
        planes = resampled(pair.degraded.transpose(2, 0, 1), (wanted[0], wanted[1]))
        output = method(np.ascontiguousarray(planes.transpose(1, 2, 0)))
    if output.shape != wanted:
        raise BadInputError(
            f"{pair.name}: an artifact makes {output.shape[1]}x{output.shape[0]} of it, the truth is "
            f"{wanted[1]}x{wanted[0]}",
            hint="artifacts that enlarge are measured with the suite of their factor: --suite upscale2",
        )
    return output
