"""The portable graphs: which precision and which generation of TensorRT takes which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ensharpen_edge.calibration.layers import Layer
from ensharpen_edge.calibration.quantizer import GraphQuantizer
from ensharpen_edge.export.graph.half_precision import to_half

WEAK_OPSET, STRONG_OPSET = 17, 19
"""TensorRT 8.x reads up to 17; scales of quantization in half precision exist from 19 on."""


@dataclass(frozen=True)
class PortableGraph:
    """One graph of a kit.

    Attributes:
        name: File name without `.onnx`.
        model: onnx.ModelProto.
        precision: Name of the precision whose parity limits it is held to.
        purpose: The engines it is for, in words.
    """

    name: str
    model: Any
    precision: str
    purpose: str


def float_graphs(model: Any) -> tuple[PortableGraph, ...]:  # noqa: ANN401 (onnx.ModelProto, fp32, opset 17)
    """Return fp32, and fp16 for strongly typed networks."""
    return (
        PortableGraph("fp32", model, "fp32", "any TensorRT; the weakly typed builders (8.5 to 10) make fp16 of it"),
        PortableGraph("fp16", to_half(model), "fp16", "TensorRT 10 and later, strongly typed"),
    )


def integer_graphs(quantizer: GraphQuantizer, layers: Sequence[Layer]) -> tuple[PortableGraph, ...]:
    """Return graphs with Q/DQ at the inputs of the convolutions of a plan: fp32 or fp16 around it, with and without
    depthwise ones."""
    dense = [layer for layer in layers if layer.groups == 1]
    whole, part = quantizer.quantized(layers), quantizer.quantized(dense)
    return (
        PortableGraph("int8", whole, "int8", "TensorRT 8.5 to 10, weakly typed"),
        PortableGraph(
            "int8-dense", part, "int8", "the same without depthwise convolutions, on which 8.x fails or is slow"
        ),
        PortableGraph("int8-fp16", with_half_islands(whole), "int8", "TensorRT 10 and later, strongly typed"),
        PortableGraph("int8-fp16-dense", with_half_islands(part), "int8", "the same without depthwise convolutions"),
    )


def with_half_islands(model: Any) -> Any:  # noqa: ANN401
    """Return a Q/DQ graph whose float parts are in fp16, scales included; opset 19, the first that allows them."""
    import onnx
    from onnxruntime.quantization.onnx_model import ONNXModel
    from onnxruntime.transformers.float16 import convert_float_to_float16

    plain = onnx.ModelProto.FromString(model.SerializeToString())
    ours = [entry for entry in plain.opset_import if entry.domain in ("", "ai.onnx")]
    del plain.opset_import[:]
    plain.opset_import.extend(ours)
    raised = onnx.version_converter.convert_version(plain, STRONG_OPSET)
    half = ONNXModel(convert_float_to_float16(raised, keep_io_types=True))
    half.topological_sort()
    return half.model


def with_pixel_images(model: Any) -> Any:  # noqa: ANN401
    """Return the same graph with 8-bit images: a quarter of the bytes cross to the device and back."""
    from onnx import ModelProto, TensorProto, helper, numpy_helper

    made = ModelProto.FromString(model.SerializeToString())
    graph = made.graph
    source, target = graph.input[0].name, graph.output[0].name
    for node in graph.node:
        for position, name in enumerate(node.input):
            if name == source:
                node.input[position] = f"{source}/unit"
        for position, name in enumerate(node.output):
            if name == target:
                node.output[position] = f"{target}/unit"
    for name, value in ((f"{source}/step", 1.0 / 255.0), (f"{target}/white", 255.0)):
        graph.initializer.append(numpy_helper.from_array(np.array(value, dtype=np.float32), name))
    before = [
        helper.make_node("Cast", [source], [f"{source}/float"], "image/cast", to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{source}/float", f"{source}/step"], [f"{source}/unit"], "image/scale"),
    ]
    after = [
        helper.make_node("Mul", [f"{target}/unit", f"{target}/white"], [f"{target}/codes"], "sharp/scale"),
        helper.make_node("Round", [f"{target}/codes"], [f"{target}/round"], "sharp/round"),
        helper.make_node("Cast", [f"{target}/round"], [target], "sharp/cast", to=TensorProto.UINT8),
    ]
    nodes = [*before, *graph.node, *after]
    del graph.node[:]
    graph.node.extend(nodes)
    for value in (graph.input[0], graph.output[0]):
        value.type.tensor_type.elem_type = TensorProto.UINT8
    return made
