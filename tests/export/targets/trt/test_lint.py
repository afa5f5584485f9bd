"""The lint says what the real parser says: each refused pattern goes through both."""

from __future__ import annotations

import importlib.util

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ensharpen_edge.errors import ParityError
from ensharpen_edge.export.targets.trt.lint import check_lint, lint_for_dla, lint_graph
from ensharpen_edge.export.targets.trt.rtx_check import check_with_rtx

SHAPES = [(1, 4, 16, 16)] * 3
needs_rtx = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx") is None, reason="needs: pip install tensorrt-rtx==1.7.1.116"
)


def graph(nodes, constants, output=TensorProto.FLOAT, opset=17, channels=4):
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 4, 16, 16))
    result = helper.make_tensor_value_info("y", output, (1, channels, 16, 16))
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    made = helper.make_graph(nodes, "test", [image], [result], tensors)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


WEIGHT = np.random.default_rng(0).normal(0, 0.2, (4, 4, 3, 3)).astype(np.float32)
STEP, ZERO = np.float32(0.05), np.int8(0)


def convolution(zero, weight_zero=ZERO, bias=False):
    """Quantize, dequantize, convolve with dequantized weights."""
    constants = {"step": STEP, "w": np.clip(WEIGHT / 0.01, -127, 127).astype(np.int8), "ws": np.float32(0.01)}
    codes = ["x", "step"]
    if zero is not None:
        constants["zero"] = zero
        codes.append("zero")
    constants["wz"] = weight_zero
    if weight_zero.dtype == np.uint8:
        constants["w"] = (constants["w"].astype(int) + 128).astype(np.uint8)
    nodes = [
        helper.make_node("QuantizeLinear", codes, ["q"], "quantize"),
        helper.make_node("DequantizeLinear", ["q", *codes[1:]], ["d"], "dequantize"),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wf"], "weight"),
    ]
    inputs = ["d", "wf"]
    if bias:
        constants |= {"b": np.zeros(4, np.int32), "bs": np.float32(0.0005), "bz": np.int32(0)}
        nodes.append(helper.make_node("DequantizeLinear", ["b", "bs", "bz"], ["bf"], "bias"))
        inputs.append("bf")
    nodes.append(helper.make_node("Conv", inputs, ["y"], "conv", pads=[1] * 4))
    return graph(nodes, constants)


def dynamic():
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"], "dynamic"),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"], "back"),
    ]
    return graph(nodes, {})


def qlinear():
    constants = {
        "s": STEP, "z": np.int8(0), "w": np.ones((4, 4, 3, 3), np.int8), "ws": np.float32(0.01), "wz": np.int8(0),
    }  # fmt: skip
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], "quantize"),
        helper.make_node("QLinearConv", ["q", "s", "z", "w", "ws", "wz", "s", "z"], ["c"], "qlinear", pads=[1] * 4),
        helper.make_node("DequantizeLinear", ["c", "s", "z"], ["y"], "dequantize"),
    ]
    return graph(nodes, constants)


def mixed():
    nodes = [
        helper.make_node("Cast", ["x"], ["h"], "cast", to=TensorProto.FLOAT16),
        helper.make_node("Add", ["x", "h"], ["y"], "add"),
    ]
    return graph(nodes, {})


def antialias():
    constants = {"scales": np.array([1, 1, 1, 1], np.float32)}
    nodes = [helper.make_node("Resize", ["x", "", "scales"], ["y"], "resize", mode="linear", antialias=1)]
    return graph(nodes, constants, opset=18)


REFUSED = {
    "uint8 activations": (convolution(np.uint8(128)), "zero point"),
    "asymmetric int8": (convolution(np.int8(5)), "zero point"),
    "weights off centre": (convolution(np.int8(0), np.int8(3)), "zero point"),
    "int32 bias": (convolution(np.int8(0), bias=True), "bias"),
    "int16 activations": (convolution(np.int16(0)), "zero point"),
    "dynamic quantization": (dynamic(), "operator"),
    "quantized operators": (qlinear(), "operator"),
    "half plus float": (mixed(), "types"),
    "antialiased resize": (antialias(), "operator"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_lint_names_it(name):
    model, rule = REFUSED[name]
    findings = lint_graph(model)
    assert rule in {finding.rule for finding in findings}
    with pytest.raises(ParityError, match="would not take it"):
        check_lint("graph", findings)


@needs_rtx
@pytest.mark.parametrize("name", REFUSED)
def test_the_parser_refuses_it(name, tmp_path):
    path = tmp_path / "graph.onnx"
    path.write_bytes(REFUSED[name][0].SerializeToString())
    result = check_with_rtx(path, SHAPES)
    assert result.passed is False, result
    assert result.reason


@pytest.mark.parametrize("zero", [np.uint8(0), None], ids=["uint8 from zero", "no zero point"])
def test_what_the_parser_takes_and_gets_wrong(zero):
    """It reads both as int8: half the range, silently."""
    assert {finding.rule for finding in lint_graph(convolution(zero))} == {"zero point"}


@needs_rtx
def test_both_take_what_is_right(tmp_path):
    model = convolution(np.int8(0))
    assert not lint_graph(model, 17)
    path = tmp_path / "graph.onnx"
    onnx.save(model, str(path))
    result = check_with_rtx(path, SHAPES)
    assert result.passed, result.reason
    assert result.layers > 1
    assert result.size > 1000


def test_opsets_and_the_accelerator():
    model = convolution(np.int8(0))
    assert {finding.rule for finding in lint_graph(model, 16)} == {"opset"}
    assert {finding.rule for finding in lint_for_dla(model)} == {"dla"}


def test_a_damaged_file_is_an_answer_not_a_crash(tmp_path):
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no graph")
    result = check_with_rtx(path, SHAPES)
    assert result.passed in (False, None)
    assert result.reason
