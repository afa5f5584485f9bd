"""Histograms that grow count exactly, whatever the order."""

from __future__ import annotations

import numpy as np
import pytest

from ensharpen_edge.calibration.histogram import BINS, StreamingHistogram, merge
from ensharpen_edge.errors import BadInputError


def collect(parts: list[np.ndarray]):
    histogram = StreamingHistogram("t")
    for index, part in enumerate(parts):
        histogram.add(part.astype(np.float32), f"p{index}")
    return histogram.freeze()


@pytest.fixture
def parts(rng) -> list[np.ndarray]:
    return [rng.normal(0.1, scale, 5000) for scale in (0.01, 3.0, 0.2, 40.0, 0.5)]


def test_growing_counts_as_one_histogram_over_the_whole_range_would(parts):
    grown = collect(parts)
    values = np.concatenate(parts).astype(np.float32)
    expected, _ = np.histogram(values, bins=BINS, range=(-grown.reach, grown.reach))
    assert grown.counts.sum() == len(values)
    assert np.abs(np.cumsum(grown.counts) - np.cumsum(expected)).max() <= 2, "only values on a bin's border may move"
    assert (grown.low, grown.high) == (float(values.min()), float(values.max()))
    assert grown.reach == 2.0 ** (np.floor(np.log2(np.abs(values).max())) + 1)


def test_order_and_halves_change_nothing(parts):
    forward, backward = collect(parts), collect(parts[::-1])
    assert np.array_equal(forward.counts, backward.counts)
    joined = merge(collect(parts[::2]), collect(parts[1::2]))
    assert np.array_equal(joined.counts, forward.counts)
    assert joined.lows == forward.lows
    assert joined.reach == forward.reach


def test_zeros_alone_and_zeros_first():
    only = collect([np.zeros(10)])
    assert only.reach == 0.0
    assert only.counts.sum() == 10
    later = collect([np.zeros(10), np.ones(5)])
    assert later.counts[BINS // 2] == 10
    assert merge(only, later).counts.sum() == 25


def test_zeros_weigh_no_more_than_other_photographs():
    histogram = StreamingHistogram("t")
    for values in (np.zeros(100_000, np.float32), np.ones(100_000, np.float32)):
        histogram.add(values, "p", samples=1000)
    counts = histogram.freeze().counts
    assert counts[BINS // 2] == pytest.approx(counts.sum() / 2, rel=0.01)


def test_what_is_not_a_number_is_named():
    histogram = StreamingHistogram("conv_3")
    with pytest.raises(BadInputError, match=r"'conv_3'.*NaN or Inf.*beach\.jpg"):
        histogram.add(np.array([0.0, np.nan], np.float32), "beach.jpg")
    with pytest.raises(BadInputError, match="no photograph"):
        histogram.freeze()
