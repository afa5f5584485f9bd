"""Is the new artifact slower, over budget, or worse? Decisions that do not cry wolf.

A slowdown counts when three things agree: ranks say so (Mann-Whitney, 1 %), the estimated ratio exceeds the smallest
effect that matters (5 % unless told), and a second measurement from freshly opened engines says the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from ensharpen_edge.benchmarks.speed.busy_machine import BUSY
from ensharpen_edge.benchmarks.speed.statistics import Shift, compare_samples, summarize
from ensharpen_edge.errors import UsageError

Samples = tuple[float, ...]
MeasurePair = Callable[[], tuple[Samples, Samples]]
"""Function that opens both artifacts and times them, interleaved; returns seconds of base and head."""

FEWEST_SAMPLES = 6
"""Least number of samples a side: with fewer, ranks hardly reach 1 %."""


class Outcome(str, Enum):
    """Result of comparing one benchmark."""

    SAME = "same"
    FASTER = "faster"
    SLOWER = "slower"
    OVER_BUDGET = "over budget"
    WORSE = "worse quality"
    MISSING = "missing"
    NOT_RUN = "not run"
    OTHER_SIZE = "other size"
    OTHER_PHOTOGRAPHS = "other photographs"
    NEW = "new"


FAILURES = frozenset(
    {
        Outcome.SLOWER,
        Outcome.OVER_BUDGET,
        Outcome.WORSE,
        Outcome.MISSING,
        Outcome.OTHER_SIZE,
        Outcome.OTHER_PHOTOGRAPHS,
    }
)


@dataclass(frozen=True)
class GateRules:
    """Limits of what is tolerated.

    Attributes:
        effect: Smallest change of time that counts, as a share.
        significance: Significance level of the rank test.
        budget_ms: Largest median of a new artifact, or None.
        max_drop: Largest mean loss of PSNR against ground truth, dB: by how much the new version's may lie below the
            base's in any condition.
        all_must_run: Whether a benchmark that cannot run here counts as a missing one.
    """

    effect: float = 0.05
    significance: float = 0.01
    budget_ms: float | None = None
    max_drop: float = 0.05
    all_must_run: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.effect < 1 or not 0 < self.significance < 0.5:
            raise UsageError(f"the smallest effect must lie between 0 and 1, got {self.effect:g}")
        if self.budget_ms is not None and not self.budget_ms > 0:
            raise UsageError(f"a budget must be a positive time, got {self.budget_ms:g} ms")


@dataclass(frozen=True)
class Verdict:
    """Decision on one benchmark.

    Attributes:
        name: Name of the artifact.
        outcome: The worst that was found.
        reasons: Sentences that say why.
        shift: Change of the times, by the confirming measurement where there was one.
        base_ms, head_ms: Median times.
        noise: Noise of the times, the larger of both sides'.
        measured: Number of times that both were measured.
        warnings: Sentences about the measurement.
    """

    name: str
    outcome: Outcome
    reasons: tuple[str, ...] = ()
    shift: Shift | None = None
    base_ms: float | None = None
    head_ms: float | None = None
    noise: float = 0.0
    measured: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether it fails a job."""
        return self.outcome in FAILURES

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as plain JSON types."""
        return {**dataclasses.asdict(self), "outcome": self.outcome.value, "failed": self.failed}


def decide_times(name: str, measure: MeasurePair, rules: GateRules) -> Verdict:
    """Measure, and measure again before a change is reported.

    Args:
        name: Name of the benchmark.
        measure: Opens and times both versions.
        rules: Limits.

    Raises:
        UsageError: There are fewer samples than ranks need.
    """
    base, head = measure()
    if min(len(base), len(head)) < FEWEST_SAMPLES:
        raise UsageError(f"{name}: {min(len(base), len(head))} samples a side, the gate needs {FEWEST_SAMPLES}")
    first = compare_samples(base, head)
    outcome, measured, shift = _direction(first, rules), 1, first
    over = _over(head, rules)
    if outcome is not Outcome.SAME or over:
        base, head = measure()
        shift, measured = compare_samples(base, head), 2
        if _direction(shift, rules) is not outcome:
            outcome = Outcome.SAME
        over = over and _over(head, rules)
    reasons = []
    if outcome is Outcome.SLOWER:
        reasons.append(
            f"{shift.ratio - 1:+.1%} [{shift.low - 1:+.1%}, {shift.high - 1:+.1%}], allowed {rules.effect:+.0%}"
        )
    before, after = summarize(base), summarize(head)
    if over:
        outcome = Outcome.OVER_BUDGET if outcome is not Outcome.SLOWER else outcome
        reasons.append(f"{1000 * after.median:.2f} ms, the budget is {rules.budget_ms:g} ms")
    noise = max(before.noise, after.noise)
    warnings = (f"a busy machine: times vary by {noise:.0%}",) if noise > BUSY else ()
    return Verdict(
        name,
        outcome,
        tuple(reasons),
        shift,
        1000 * before.median,
        1000 * after.median,
        noise,
        measured,
        warnings,
    )


def decide_new(name: str, measure: Callable[[], Samples], rules: GateRules) -> Verdict:
    """Decide on a benchmark that the base does not have: it has a budget only, measured twice before it is broken.

    Args:
        name: Name of the benchmark.
        measure: Opens and times it; returns seconds.
        rules: Limits.
    """
    head, measured = measure(), 1
    if _over(head, rules):
        head, measured = measure(), 2
    median_ms = 1000 * summarize(head).median
    if _over(head, rules):
        reason = f"{median_ms:.2f} ms, the budget is {rules.budget_ms:g} ms"
        return Verdict(name, Outcome.OVER_BUDGET, (reason,), head_ms=median_ms, measured=measured)
    return Verdict(name, Outcome.NEW, head_ms=median_ms, measured=measured)


def decide_quality(verdict: Verdict, base: Mapping[str, float], head: Mapping[str, float], rules: GateRules) -> Verdict:
    """Add what happened to the quality.

    Args:
        verdict: Verdict on the times.
        base, head: Mean PSNR against the truth by condition, dB.
        rules: Limits.
    """
    worse = [
        f"{condition}: {head[condition] - value:+.3f} dB, allowed {-rules.max_drop:+g}"
        for condition, value in base.items()
        if condition in head and not head[condition] >= value - rules.max_drop
    ]
    gone = [f"{condition}: not measured any more" for condition in base if condition not in head]
    if not worse and not gone:
        return verdict
    outcome = verdict.outcome if verdict.failed else Outcome.WORSE
    return replace(verdict, outcome=outcome, reasons=(*verdict.reasons, *worse, *gone))


def _direction(shift: Shift, rules: GateRules) -> Outcome:
    if shift.p_slower < rules.significance and shift.ratio >= 1 + rules.effect:
        return Outcome.SLOWER
    if shift.p_faster < rules.significance and shift.ratio <= 1 / (1 + rules.effect):
        return Outcome.FASTER
    return Outcome.SAME


def _over(head: Samples, rules: GateRules) -> bool:
    """Whether the interval's lower end is over the budget: noise alone breaks none."""
    return rules.budget_ms is not None and 1000 * summarize(head).low > rules.budget_ms
