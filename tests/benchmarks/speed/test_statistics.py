"""Statistics of run times, and timing itself, on a clock that the test turns."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ensharpen_edge.benchmarks.speed.statistics import compare_samples, median_interval, settled, summarize
from ensharpen_edge.benchmarks.speed.timing import Effort, measure
from ensharpen_edge.errors import UsageError


def test_summary_of_known_samples():
    summary = summarize(np.arange(1.0, 102.0))
    assert (summary.count, summary.minimum, summary.median, summary.p90, summary.p99) == (101, 1, 51, 91, 100)
    assert summary.low < 51 < summary.high
    assert summary.noise == pytest.approx(1.4826 * 25 / 51)


@pytest.mark.parametrize("count", [6, 15, 40, 101, 2000])
def test_the_interval_of_the_median_covers_it_as_often_as_it_says(rng, count):
    inside = 0
    for _ in range(400):
        low, high = median_interval(rng.lognormal(0.0, 0.3, count))
        inside += low <= 1.0 <= high
    assert inside / 400 >= 0.93


def test_the_ratio_and_its_interval(rng):
    base = 10 * rng.lognormal(0.0, 0.05, 80)
    shift = compare_samples(base, 1.08 * 10 * rng.lognormal(0.0, 0.05, 80))
    assert shift.low < 1.08 < shift.high
    assert shift.ratio == pytest.approx(1.08, abs=0.02)
    assert shift.p_slower < 1e-6 < 0.5 < shift.p_faster
    same = compare_samples(base, base)
    assert same.ratio == 1.0
    assert same.p_slower == pytest.approx(0.5, abs=0.02)


def test_the_interval_agrees_with_the_test(rng):
    """The shift is just not significant when the interval's end touches 1."""
    base, head = rng.normal(10, 0.3, 30), rng.normal(10.1, 0.3, 30)
    shift = compare_samples(base, head)
    for factor, expected in ((shift.low * 0.999, False), (shift.low * 1.001, True)):
        p = stats.mannwhitneyu(head / factor, base, alternative="two-sided").pvalue
        assert (p > 0.045) == expected


@pytest.mark.parametrize("samples", [[], [1.0, 0.0], [1.0, float("nan")], [[1.0], [2.0]]])
def test_what_is_no_list_of_times(samples):
    with pytest.raises(ValueError, match="positive numbers"):
        summarize(samples)


def test_warm_up_is_over_when_runs_get_no_faster():
    assert not settled([9, 8, 7, 4, 3])
    assert not settled([9, 8, 7, 6, 5, 4])
    assert settled([4, 4.1, 4, 4.05, 3.95, 4.0])


class Machine:
    """A clock, and subjects that take time on it."""

    def __init__(self, rng):
        self.now, self.rng, self.calls = 0.0, rng, []

    def clock(self):
        return self.now

    def subject(self, name, milliseconds, noise=0.0, cold=0):
        def run():
            self.calls.append(name)
            slow = 3.0 if self.calls.count(name) <= cold else 1.0
            self.now += slow * milliseconds / 1000 * float(self.rng.lognormal(0.0, noise))

        return run


def test_rounds_alternate_and_cold_runs_do_not_count(rng):
    machine = Machine(rng)
    subjects = [machine.subject("a", 10, cold=5), machine.subject("b", 20)]
    first, second = measure(subjects, Effort(fewest=6, most=6), machine.clock)
    assert max(first) < 10.1e-3
    assert second == pytest.approx([20e-3] * 6)
    assert "".join(machine.calls[-12:]) == "abba" * 3


def test_noisy_subjects_are_measured_longer(rng):
    machine = Machine(rng)
    calm = measure([machine.subject("a", 10, 0.01)], Effort(), machine.clock)[0]
    wild = measure([machine.subject("b", 10, 0.2)], Effort(), machine.clock)[0]
    assert len(calm) == 15
    assert len(wild) == 200
    fastest = measure([machine.subject("c", 10, 0.2)], Effort(repeats=5), machine.clock)[0]
    assert summarize(fastest).noise < 0.8 * summarize(wild).noise


def test_no_rounds():
    with pytest.raises(UsageError, match="at least one round"):
        Effort(fewest=0)
