"""Range methods against what is known of distributions."""

from __future__ import annotations

import numpy as np
import pytest

from ensharpen_edge.calibration.histogram import Histogram, StreamingHistogram
from ensharpen_edge.calibration.ranges import METHODS, RangeConfig, Scheme, find_range
from ensharpen_edge.errors import UsageError

ASYMMETRIC, SYMMETRIC = Scheme(), Scheme(symmetric=True)


def histogram(*parts: np.ndarray) -> Histogram:
    stream = StreamingHistogram("t")
    for index, part in enumerate(parts):
        stream.add(part.astype(np.float32), f"p{index}")
    return stream.freeze()


def rounding_error(values: np.ndarray, low: float, high: float, scheme: Scheme) -> float:
    step = (high - low) / scheme.steps
    codes = np.rint(np.clip(values, low, high) / step) * step
    return float(((values - codes) ** 2).mean())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scheme", [ASYMMETRIC, SYMMETRIC], ids=["asymmetric", "symmetric"])
def test_every_method_holds_zero_and_stays_within_what_was_seen(method, scheme, rng):
    for values in (rng.normal(0, 1, 20000), rng.random(20000) + 2.0, -rng.random(20000), np.zeros(100)):
        seen = histogram(values)
        found = find_range(seen, scheme, RangeConfig(method))
        assert found.low <= 0.0 <= found.high
        assert found.high <= max(seen.high, -seen.low if scheme.symmetric else 0.0, 0.0) + 1e-9
        if scheme.symmetric:
            assert found.low == -found.high


def test_min_max_and_percentiles(rng):
    values = rng.random(200_000)
    seen = histogram(values)
    exact = find_range(seen, ASYMMETRIC, RangeConfig("min-max"))
    assert (exact.low, exact.high) == (0.0, pytest.approx(values.max(), rel=1e-6))
    cut = find_range(seen, ASYMMETRIC, RangeConfig("percentile", percentile=98.0))
    assert cut.high == pytest.approx(np.quantile(values, 0.99), abs=2 * seen.width)
    both = find_range(histogram(rng.normal(0, 1, 200_000)), SYMMETRIC, RangeConfig("percentile", percentile=99.0))
    assert both.high == pytest.approx(2.5758, abs=0.05)


def test_moving_average_follows_the_photographs():
    seen = histogram(np.array([0.0, 1.0]), np.array([0.0, 2.0]), np.array([-1.0, 4.0]))
    found = find_range(seen, ASYMMETRIC, RangeConfig("moving average", momentum=0.5))
    assert found.high == pytest.approx(0.5 * (0.5 * 1 + 0.5 * 2) + 0.5 * 4)
    assert found.low == pytest.approx(-0.5)


@pytest.mark.parametrize("method", ["mse", "entropy", "percentile"])
def test_an_outlier_does_not_decide(method, rng):
    values = np.append(rng.normal(0, 1, 100_000), 60.0)
    found = find_range(histogram(values), SYMMETRIC, RangeConfig(method, percentile=99.999))
    assert 3.0 < found.high < 40.0


def test_mse_is_the_best_of_its_candidates(rng):
    values = rng.laplace(0, 1, 50_000)
    seen = histogram(values)
    scheme = Scheme(4, symmetric=True)
    found = find_range(seen, scheme, RangeConfig("mse"))
    errors = {share: rounding_error(values, -share * seen.reach, share * seen.reach, scheme) for share in
              np.linspace(0.05, 1.0, 96)}  # fmt: skip
    assert rounding_error(values, found.low, found.high, scheme) < 1.1 * min(errors.values())


def test_impossible_settings():
    for make in (
        lambda: RangeConfig("max"),
        lambda: RangeConfig(percentile=40.0),
        lambda: RangeConfig(momentum=1.0),
        lambda: Scheme(1),
    ):
        with pytest.raises(UsageError):
            make()
