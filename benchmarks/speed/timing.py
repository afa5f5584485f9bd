"""Interleaved timing: in every round each subject runs once, so that all of them see the same machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ensharpen_edge.benchmarks.speed.statistics import settled, summarize
from ensharpen_edge.errors import UsageError

Run = Callable[[], object]
Clock = Callable[[], float]

REST = 0.15
"""Seconds before a run of several threads: their pools go on spinning for a while, on the cores that come next."""

_WARM_UP_LIMIT = 30


@dataclass(frozen=True)
class Effort:
    """Length and care of a measurement.

    Attributes:
        fewest, most: Least and largest number of rounds.
        precision: Half the width of a median's interval, over the median, that is enough; 1 always is.
        repeats: Number of runs that a sample is the fastest of, which leaves the machine's moods out.
        rest: Seconds of sleep before each sample.
    """

    fewest: int = 15
    most: int = 200
    precision: float = 0.02
    repeats: int = 1
    rest: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.fewest <= self.most or self.repeats < 1:
            raise UsageError(
                f"timing needs at least one round, and as many at most as at least; got {self.fewest} to {self.most}"
            )


def measure(
    subjects: Sequence[Run],
    effort: Effort,
    clock: Clock = time.perf_counter,
    after_round: Callable[[int], None] = lambda _rounds: None,
) -> list[tuple[float, ...]]:
    """Return the seconds of every sample, by subject.

    Every other round goes through the subjects backwards, so that none always follows the same one.

    Args:
        subjects: Functions to time; each call is one run.
        effort: How long to measure.
        clock: Function that returns seconds.
        after_round: Called with the number of finished rounds.
    """
    for subject in subjects:
        _warm_up(subject, clock)
    samples: list[list[float]] = [[] for _ in subjects]
    order = list(range(len(subjects)))
    for done in range(1, effort.most + 1):
        for index in order:
            if effort.rest:
                time.sleep(effort.rest)
            samples[index].append(_fastest(subjects[index], effort.repeats, clock))
        order.reverse()
        after_round(done)
        if done >= effort.fewest and all(narrow(taken, effort.precision) for taken in samples):
            break
    return [tuple(taken) for taken in samples]


def _fastest(subject: Run, repeats: int, clock: Clock) -> float:
    best = float("inf")
    for _ in range(repeats):
        start = clock()
        subject()
        best = min(best, clock() - start)
    return best


def _warm_up(subject: Run, clock: Clock) -> None:
    taken: list[float] = []
    while len(taken) < _WARM_UP_LIMIT and not settled(taken):
        start = clock()
        subject()
        taken.append(clock() - start)


def narrow(samples: Sequence[float], precision: float) -> bool:
    """Return whether half the interval of the median is no wider than this share of it."""
    summary = summarize(samples)
    return summary.high - summary.low <= 2 * precision * summary.median
