"""The regression gate on trial: it must see a slowdown that is put in, and none where there is none."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from ensharpen_edge.benchmarks.regression.decision import GateRules, MeasurePair, Outcome, Samples, decide_times
from ensharpen_edge.benchmarks.speed.subjects import open_subjects
from ensharpen_edge.benchmarks.speed.timing import Effort, Run, measure
from ensharpen_edge.errors import EnsharpenError, ExitCode, UsageError

SLOWDOWN = 0.08
"""Least slowdown that is put in, as a share of each run's own time."""

_OVER_EFFECT = 1.6
"""Slowdown over the smallest effect that counts: less need not be found."""

LARGEST_FALSE_ALARMS = 0.02
LEAST_FOUND = 0.95


class UnfitGateError(EnsharpenError):
    """The gate missed a slowdown, or cried wolf: nothing it says on this machine counts."""

    exit_code = ExitCode.NOT_COMPARABLE


@dataclass(frozen=True)
class TrialResult:
    """Record of the gate on trial.

    Attributes:
        trials: Number of trials of either kind.
        false_alarms: Trials without a difference that were called slower or faster.
        found: Trials with the slowdown that were called slower.
        ratios_same, ratios_slowed: Estimated ratios of every trial.
        slowdown: Slowdown that was put in, as a share of each run's own time.
        noise: Noise of single samples, median over the trials.
        seconds: Time that all trials took.
    """

    trials: int
    false_alarms: int
    found: int
    ratios_same: tuple[float, ...]
    ratios_slowed: tuple[float, ...]
    slowdown: float
    noise: float
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain JSON types."""
        return dataclasses.asdict(self)

    def check(self) -> None:
        """Raise `UnfitGateError` when the gate was not good enough."""
        if self.false_alarms >= max(1, LARGEST_FALSE_ALARMS * self.trials):
            raise UnfitGateError(
                f"{self.false_alarms} false alarms in {self.trials} comparisons of an artifact with itself",
                hint="something else runs on this machine; --effect 0.1 asks for less",
            )
        if self.found < LEAST_FOUND * self.trials:
            raise UnfitGateError(
                f"a slowdown of {self.slowdown:.0%} was found in {self.found} of {self.trials} trials",
                hint="something else runs on this machine; --effect 0.1 asks for less",
            )


def slowed(run: Run, share: float, clock: Callable[[], float] = time.perf_counter) -> Run:
    """Return the same run, followed by waiting (on the processor, not asleep) for a share of the time that it took."""

    def slower() -> None:
        start = clock()
        run()
        end = clock()
        while clock() < end + share * (end - start):
            pass

    return slower


def try_gate(
    artifact: Path,
    size: tuple[int, int],
    effort: Effort,
    rules: GateRules,
    trials: int,
    advance: Callable[[], None] = lambda: None,
) -> TrialResult:
    """Compare an artifact with itself, and with itself slowed down, again and again; one thread.

    As in the gate itself, every measurement opens its engines afresh.

    Args:
        artifact: Artifact folder.
        size: (height, width) for artifacts that take any.
        effort: How long to measure.
        rules: Limits; a budget does not count.
        trials: Number of trials of either kind.
        advance: Called after each trial.

    Raises:
        UsageError: The artifact cannot be timed here.
    """
    start = time.perf_counter()
    alarms = found = 0
    ratios: tuple[list[float], list[float]] = ([], [])
    noises = []
    rules = replace(rules, budget_ms=None)
    slowdown = max(SLOWDOWN, _OVER_EFFECT * rules.effect)
    with open_subjects([artifact], size, 1, (artifact.name,)) as (_, others):
        if others:
            raise UsageError(f"{artifact}: {others[0].reason}")
    for _ in range(trials):
        for kind, share in enumerate((0.0, slowdown)):
            verdict = decide_times(artifact.name, _pair(artifact, size, share, effort), rules)
            noises.append(verdict.noise)
            ratios[kind].append(verdict.shift.ratio if verdict.shift else 1.0)
            alarms += kind == 0 and verdict.outcome is not Outcome.SAME
            found += kind == 1 and verdict.outcome is Outcome.SLOWER
            advance()
    seconds = time.perf_counter() - start
    return TrialResult(trials, alarms, found, tuple(ratios[0]), tuple(ratios[1]), slowdown, median(noises), seconds)


def _pair(artifact: Path, size: tuple[int, int], share: float, effort: Effort) -> MeasurePair:
    def pair() -> tuple[Samples, Samples]:
        with open_subjects([artifact, artifact], size, 1, ("base", "head")) as (subjects, _):
            base, head = (subject.run for subject in subjects)
            first, second = measure([base, slowed(head, share) if share else head], effort)
            return first, second

    return pair
