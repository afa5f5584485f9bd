"""Layers of the real graph, and the names a user may call them by."""

from __future__ import annotations

import pytest

from ensharpen_edge.calibration.layers import find_layers, resolve
from ensharpen_edge.errors import BadInputError, UsageError


def test_layers_carry_the_names_of_training(graph):
    layers = {layer.name: layer for layer in find_layers(graph.model)}
    assert len(layers) == 39 + 14
    expand = layers["encoder.level1.0.expand"]
    assert expand.weight == "encoder.level1.0.expand.weight"
    assert expand.nodes[1].endswith("Relu")
    assert expand.output.endswith("Relu_output_0")
    assert layers["encoder.level1.0.depthwise"].groups == 16
    addition = layers["decoder.level2.1.Add"]
    assert addition.weight is None
    assert len(addition.inputs) == 2


def test_short_names_and_first_parts(graph):
    layers = find_layers(graph.model)
    assert resolve(["stem", "head", "tail"], layers) == {"encoder.stem", "decoder.heads.sharpen", "Add"}
    level = resolve(["encoder.level1"], layers)
    assert len(level) == 8
    assert resolve(["encoder.level1.1"], layers) < level
    with pytest.raises(UsageError, match=r"unknown layer.*Did you mean 'encoder.down1'"):
        resolve(["encoder.dwn1"], layers)


def test_a_graph_without_convolutions():
    import onnx

    node = onnx.helper.make_node("Add", ["a", "a"], ["b"])
    value = [onnx.helper.make_tensor_value_info(name, 1, [1, 3, 8, 8]) for name in "ab"]
    with pytest.raises(BadInputError, match="no convolutions"):
        find_layers(onnx.helper.make_model(onnx.helper.make_graph([node], "g", value[:1], value[1:])))
