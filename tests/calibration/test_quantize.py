"""Quantize / dequantize pairs are where the scheme wants them, and compute what the simulation says."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest

from ensharpen_edge.calibration.layers import resolve
from ensharpen_edge.calibration.quantizer import QuantizationSettings, Quantizer
from ensharpen_edge.calibration.schemes import SCHEMES
from ensharpen_edge.calibration.session import graph_run
from ensharpen_edge.errors import UsageError
from ensharpen_edge.metrics.psnr import mse, psnr_from_mse


def quantizer(planning, scheme: str) -> Quantizer:
    return Quantizer(planning.quantizer.model, planning.quantizer.table, QuantizationSettings(scheme))


def between(a, b, image) -> float:
    return psnr_from_mse(mse(a(image), b(image)), 1.0)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_simulation_predicts_the_quantized_graph(planning, scheme):
    made = quantizer(planning, scheme)
    kept = resolve(["head", "tail"], made.layers)
    layers = [layer for layer in made.layers if layer.name not in kept]
    real = graph_run(made.quantized(layers))
    simulated = graph_run(made.simulated(layers, made.reads(layers)))
    floats = graph_run(made.model)
    for image in planning.judge.images[:2]:
        damage = between(real, floats, image.degraded)
        assert 30 < damage < 75
        assert damage == pytest.approx(between(simulated, floats, image.degraded), abs=1.0)


def test_codes_are_signed_symmetric_and_only_at_convolutions_for_trt(planning):
    made = quantizer(planning, "trt")
    assert not any(layer.weight is None for layer in made.layers)
    model = made.quantized(made.layers)
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    producers = {name: node for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            assert len(node.input) == 3, "the zero point is written"
            zero = values[node.input[2]]
            assert zero.dtype == np.int8
            assert not zero.any()
        if node.op_type == "Add":
            assert all(producers[name].op_type != "DequantizeLinear" for name in node.input), "skips stay float"
        if node.op_type == "Conv":
            assert [producers[name].op_type for name in node.input[:2]] == ["DequantizeLinear"] * 2
            assert node.input[2] in values, "the bias stays float"
    assert {entry.domain or "ai.onnx": entry.version for entry in model.opset_import} == {"ai.onnx": 17}


def test_the_portable_scheme_cannot_saturate(planning):
    """Two products of a uint8 and an int8 code must fit 16 bits."""
    made = planning.quantizer
    model = made.quantized(made.layers)
    weights = [onnx.numpy_helper.to_array(t) for t in model.graph.initializer if "weight_quantized" in t.name]
    assert len(weights) == 39
    assert max(int(np.abs(w.astype(int)).max()) for w in weights) == 64
    counts = Counter(node.op_type for node in model.graph.node)
    assert counts["Relu"] == 0, "the codes' lower end replaces it"


def test_no_layers_is_the_float_graph(planning):
    made = planning.quantizer
    image = planning.judge.images[0].degraded
    assert np.array_equal(graph_run(made.quantized([]))(image), graph_run(made.model)(image))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scheme": "onnx vni"}, "Did you mean 'onnx vnni'"),
        ({"method": "entropie"}, "Did you mean 'entropy'"),
        ({"rounding": "up"}, "unknown rounding"),
    ],
)
def test_unknown_names(settings, message):
    with pytest.raises(UsageError, match=message):
        QuantizationSettings(**settings)
