"""Is the new artifact slower, over budget, or worse? Decisions that do not cry wolf.

A slowdown counts when three things agree: ranks say so (Mann-Whitney, 1 %), the estimated ratio exceeds the smallest
effect that matters (5 % unless told), and a second measurement from freshly opened engines says the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from ensharpen_edge.benchmarks.statistics import Shift, compare_samples, summarize
from ensharpen_edge.errors import UsageError

Samples = tuple[float, ...]
MeasurePair = Callable[[], tuple[Samples, Samples]]
"""Opens both artifacts and times them, interleaved: seconds of base and head."""

FEWEST_SAMPLES = 6
"""A side: with fewer, ranks hardly reach 1 %."""

BUSY = 0.1
"""Noise above this share of the median is worth a warning."""


class Outcome(str, Enum):
    """What became of one benchmark."""

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
    """What is tolerated.

    Attributes:
        effect: Smallest change of time that counts, as a share.
        significance: Of the rank test.
        budget_ms: Largest median of a new artifact, or None.
        quality_db: Largest loss of PSNR against the base in any condition.
        all_must_run: A benchmark that cannot run here is a missing one.
    """

    effect: float = 0.05
    significance: float = 0.01
    budget_ms: float | None = None
    quality_db: float = 0.05
    all_must_run: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.effect < 1 or not 0 < self.significance < 0.5:
            raise UsageError(f"the smallest effect must lie between 0 and 1, got {self.effect:g}")
        if self.budget_ms is not None and not self.budget_ms > 0:
            raise UsageError(f"a budget must be a positive time, got {self.budget_ms:g} ms")


@dataclass(frozen=True)
class Verdict:
    """On one benchmark.

    Attributes:
        name: Of the artifact.
        outcome: The worst that was found.
        reasons: Why, a line each.
        shift: Of the times, of the confirming measurement where there was one.
        base_ms, head_ms: Medians.
        noise: The larger of both sides'.
        measured: How often both were measured.
        warnings: About the measurement.
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


def judge_times(name: str, measure: MeasurePair, rules: GateRules) -> Verdict:
    """Measure, and measure again before a change is reported.

    Args:
        name: Of the benchmark.
        measure: See `MeasurePair`.
        rules: See `GateRules`.

    Raises:
        UsageError: Fewer samples than ranks need.
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


def judge_new(name: str, measure: Callable[[], Samples], rules: GateRules) -> Verdict:
    """A benchmark that the base does not have: only its budget can be judged, twice before it is broken.

    Args:
        name: Of the benchmark.
        measure: Opens and times it: seconds.
        rules: See `GateRules`.
    """
    head, measured = measure(), 1
    if _over(head, rules):
        head, measured = measure(), 2
    median_ms = 1000 * summarize(head).median
    if _over(head, rules):
        reason = f"{median_ms:.2f} ms, the budget is {rules.budget_ms:g} ms"
        return Verdict(name, Outcome.OVER_BUDGET, (reason,), head_ms=median_ms, measured=measured)
    return Verdict(name, Outcome.NEW, head_ms=median_ms, measured=measured)


def judge_quality(verdict: Verdict, base: dict[str, float], head: dict[str, float], rules: GateRules) -> Verdict:
    """Add what happened to the quality.

    Args:
        verdict: On the times.
        base, head: PSNR by condition, dB.
        rules: See `GateRules`.
    """
    worse = [
        f"{condition}: {head[condition] - value:+.3f} dB, allowed {-rules.quality_db:+g}"
        for condition, value in base.items()
        if condition in head and not head[condition] >= value - rules.quality_db
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
    """By the interval's lower end: noise alone breaks no budget."""
    return rules.budget_ms is not None and 1000 * summarize(head).low > rules.budget_ms
