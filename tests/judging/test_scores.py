"""One score for the gate, the plan, validation and reports: capped, and never deaf to what is not finite."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ensharpen_edge.judging.limits import CLOSEST_PSNR, EQUAL_PSNR, TINY_GAIN
from ensharpen_edge.judging.scores import agreement, closeness, kept_gain, truth_psnr

GREY = np.full((1, 3, 8, 8), 102 / 255, np.float32)


def test_a_score_is_psnr_of_what_a_file_holds():
    one_code = GREY + np.float32(1 / 255)
    assert truth_psnr(one_code, GREY) == pytest.approx(20 * math.log10(255))
    assert truth_psnr(GREY + np.float32(0.1 / 255), GREY) == EQUAL_PSNR
    assert truth_psnr(GREY + np.float32(0.1), GREY, rounded=False) == pytest.approx(20.0, abs=1e-4)
    assert truth_psnr(GREY, GREY, rounded=False) == EQUAL_PSNR


def test_outputs_are_compared_without_rounding():
    assert agreement(GREY + np.float32(1e-3), GREY) == pytest.approx(60.0, abs=1e-3)
    assert agreement(GREY, GREY) == closeness(0.0) == CLOSEST_PSNR


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_scores_lowest(bad):
    broken = GREY.copy()
    broken[0, 1, 2, 3] = bad
    assert truth_psnr(broken, GREY) == truth_psnr(broken, GREY, rounded=False) == -math.inf
    assert truth_psnr(GREY, broken) == -math.inf
    assert agreement(broken, GREY) == agreement(GREY, broken) == closeness(bad) == -math.inf


def test_shapes_must_be_equal():
    with pytest.raises(ValueError, match="shape"):
        truth_psnr(GREY, GREY[..., :4])
    with pytest.raises(ValueError, match="shape"):
        agreement(GREY, GREY[..., :4])


def test_a_share_is_told_of_a_gain_only():
    assert kept_gain(27.97, 28.0, 25.0) == pytest.approx(0.99)
    assert kept_gain(25.0, 25.0 + TINY_GAIN - 0.01, 25.0) is None
    assert kept_gain(25.0, 24.0, 25.0) is None
    assert kept_gain(25.0, math.nan, 25.0) is None
    assert kept_gain(-math.inf, 28.0, 25.0) == -math.inf
