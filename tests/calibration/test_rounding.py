"""Rounding by moments keeps the output of a layer, and of the network, closer than rounding to the nearest code."""

from __future__ import annotations

import numpy as np
import pytest

from ensharpen_edge.calibration.moments import Moments
from ensharpen_edge.calibration.rounding import ROUNDINGS, rounded_weights, weight_scales
from ensharpen_edge.calibration.session import graph_run
from ensharpen_edge.errors import UsageError


@pytest.fixture
def problem(rng):
    """Correlated inputs with a mean, (N, 24), and weights (8, 24)."""
    mixing = rng.normal(size=(6, 24))
    inputs = rng.normal(size=(4000, 6)) @ mixing + 0.3 * rng.normal(size=(4000, 24)) + 0.5
    return inputs, rng.normal(size=(8, 24))


def output_error(inputs, weights, rounding, largest):
    moments = Moments(inputs.mean(axis=0)[None], (inputs.T @ inputs / len(inputs))[None])
    scales = weight_scales(weights.reshape(8, 24, 1, 1), largest)
    rounded, shift = ROUNDINGS[rounding](weights, scales, moments, largest)
    codes = rounded / scales[:, None]
    assert np.allclose(codes, np.rint(codes), atol=1e-9)
    assert np.abs(codes).max() <= largest + 1e-9
    return float(np.mean((inputs @ (weights - rounded).T - shift) ** 2))


@pytest.mark.parametrize("largest", [7, 64, 127])
def test_each_rounding_beats_the_simpler_one(problem, largest):
    errors = {name: output_error(*problem, name, largest) for name in ROUNDINGS}
    assert errors["bias"] < errors["nearest"]
    assert errors["moments"] < 0.5 * errors["bias"]


def test_a_depthwise_layer_is_rounded_channel_by_channel(rng):
    inputs = rng.normal(size=(4, 1000, 9)) + 0.3
    moments = Moments(inputs.mean(axis=1), inputs.transpose(0, 2, 1) @ inputs / 1000)
    weights = rng.normal(size=(4, 9))
    scales = weight_scales(weights.reshape(4, 1, 3, 3), 15)
    for name in ("nearest", "moments"):
        rounded, shift = ROUNDINGS[name](weights, scales, moments, 15)
        error = np.einsum("cnk,ck->cn", inputs, weights - rounded) - shift[:, None]
        if name == "nearest":
            nearest = (error**2).mean()
    assert (error**2).mean() < nearest


def test_weights_of_zero_stay_zero():
    moments = Moments(np.ones((1, 4)), np.eye(4)[None])
    scales = weight_scales(np.zeros((2, 4, 1, 1)), 127)
    rounded, shift = ROUNDINGS["moments"](np.zeros((2, 4)), scales, moments, 127)
    assert not rounded.any()
    assert not shift.any()


def test_the_network_stays_closer(planning):
    quantizer, judge = planning.quantizer, planning.judge
    worst = {}
    for name in ROUNDINGS:
        model, steps = rounded_weights(quantizer.model, quantizer.layers, quantizer.table.moments, 64, name)
        worst[name] = judge.errors(graph_run(model))[: judge.photographs].mean()
        assert set(steps) == {layer.weight for layer in quantizer.layers if layer.weight}
    assert worst["moments"] < 0.5 * worst["nearest"]
    with pytest.raises(UsageError, match="unknown rounding 'nearst'"):
        rounded_weights(quantizer.model, quantizer.layers, quantizer.table.moments, 64, "nearst")
