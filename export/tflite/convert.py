"""ONNX to TFLite, operator by operator: layouts become NHWC, ReLUs are fused, shuffles stay single operators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ensharpen_edge.calibration.layers import attributes
from ensharpen_edge.errors import UsageError
from ensharpen_edge.export.tflite.builder import Array, TfliteBuilder
from ensharpen_edge.export.tflite.shapes import Shape, nhwc_shapes

FREE = (1, -1, -1)
"""Batch, height and width of a file for free sizes."""


@dataclass(frozen=True)
class Conversion:
    """One file to write.

    Attributes:
        model: onnx.ModelProto of a float graph, shuffles in depth order.
        size: (height, width) that the file opens with.
        free: Whether other sizes may be asked for.
        half: Store weights in half precision.
        description: For the file's header.
    """

    model: Any
    size: tuple[int, int]
    free: bool
    half: bool
    description: str


class GraphWriter:
    """Writes a graph's nodes into a builder; lowerings in `LOWERINGS` call it back.

    Args:
        job: What to write.
    """

    def __init__(self, job: Conversion) -> None:
        from onnx import numpy_helper

        self.builder = TfliteBuilder(job.description)
        self.half = job.half
        self._free = job.free
        self._shapes = nhwc_shapes(job.model, job.size)
        self._graph = job.model.graph
        self._index: dict[str, int] = {}
        self.values: dict[str, Array] = {t.name: numpy_helper.to_array(t) for t in self._graph.initializer}
        for node in self._graph.node:
            if node.op_type == "Constant":
                self.values[node.output[0]] = numpy_helper.to_array(attributes(node)["value"])
        self._readers: dict[str, list[Any]] = {}
        for node in self._graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)

    def write(self) -> bytes:
        """The file.

        Raises:
            UsageError: The graph holds an operator that has no counterpart here.
        """
        source, target = self._graph.input[0].name, self._graph.output[0].name
        inputs = {source: self.tensor(source)}
        for node in self._graph.node:
            if node.op_type == "Constant" or node.output[0] in self._index:
                continue
            if node.op_type not in LOWERINGS:
                raise UsageError(
                    f"the operator {node.op_type} ({node.name}) has no TFLite form here",
                    hint=f"known: {', '.join(sorted(LOWERINGS))}",
                )
            LOWERINGS[node.op_type](self, node)
        return self.builder.finish(inputs, {target: self.tensor(target)})

    def tensor(self, name: str) -> int:
        """An activation by its ONNX name."""
        if name not in self._index:
            self._index[name] = self.activation(name, self._shapes[name])
        return self._index[name]

    def activation(self, name: str, shape: Shape) -> int:
        """A new activation."""
        signature = (*FREE, shape[3]) if self._free else None
        return self.builder.tensor(name, shape, signature=signature)

    def shape(self, name: str) -> Shape:
        """(N, H, W, C) of an activation."""
        return self._shapes[name]

    def weight(self, name: str, values: Array) -> int:
        """Constant float weights; in half precision they are expanded when the file is loaded."""
        if not self.half:
            return self.builder.constant(name, values.astype(np.float32))
        stored = self.builder.constant(f"{name}/half", values.astype(np.float16))
        expanded = self.builder.tensor(name, values.shape)
        self.builder.operator("DEQUANTIZE", [stored], [expanded], "DequantizeOptions", version=2)
        return expanded

    def fused_relu(self, node: Any) -> tuple[str, int]:  # noqa: ANN401
        """Name of what a node writes once a ReLU behind it is part of it, and the fused activation."""
        readers = self._readers.get(node.output[0], [])
        fuse = len(readers) == 1 and readers[0].op_type == "Relu"
        output = readers[0].output[0] if fuse else node.output[0]
        return output, self.builder.enumerated("ActivationFunctionType", "RELU" if fuse else "NONE")


def _convolution(writer: GraphWriter, node: Any) -> None:  # noqa: ANN401
    options = attributes(node)
    weight = writer.values[node.input[1]]
    bias = writer.values[node.input[2]] if len(node.input) > 2 else np.zeros(len(weight), np.float32)
    depthwise = options.get("group", 1) > 1
    pads, strides = options.get("pads", [0] * 4), options.get("strides", [1, 1])
    source = writer.tensor(node.input[0])
    same = list(strides) == [1, 1] and list(pads) == [weight.shape[2] // 2, weight.shape[3] // 2] * 2
    if any(pads) and not same:
        # With strides, SAME pads the far side only.
        raise UsageError(f"{node.name}: pads {list(pads)} with strides {list(strides)} have no TFLite form here")
    output, relu = writer.fused_relu(node)
    common = {
        "padding": writer.builder.enumerated("Padding", "SAME" if same else "VALID"),
        "strideH": strides[0],
        "strideW": strides[1],
        "dilationHFactor": 1,
        "dilationWFactor": 1,
        "fusedActivationFunction": relu,
    }
    order = (1, 2, 3, 0) if depthwise else (0, 2, 3, 1)
    kernel = writer.weight(node.input[1], np.ascontiguousarray(weight.transpose(order)))
    inputs = [source, kernel, writer.builder.constant(f"{node.name}/bias", bias.astype(np.float32))]
    if depthwise:
        writer.builder.operator(
            "DEPTHWISE_CONV_2D", inputs, [writer.tensor(output)], "DepthwiseConv2DOptions", depthMultiplier=1, **common
        )
    else:
        writer.builder.operator("CONV_2D", inputs, [writer.tensor(output)], "Conv2DOptions", **common)


def _addition(writer: GraphWriter, node: Any) -> None:  # noqa: ANN401
    output, relu = writer.fused_relu(node)
    inputs = [writer.tensor(name) for name in node.input]
    writer.builder.operator("ADD", inputs, [writer.tensor(output)], "AddOptions", fusedActivationFunction=relu)


def _relu(writer: GraphWriter, node: Any) -> None:  # noqa: ANN401
    writer.builder.operator("RELU", [writer.tensor(node.input[0])], [writer.tensor(node.output[0])])


def _shuffle(name: str, options: str) -> Callable[[GraphWriter, Any], None]:
    def lower(writer: GraphWriter, node: Any) -> None:  # noqa: ANN401
        values = attributes(node)
        if values.get("mode", b"DCR") != b"DCR":
            raise UsageError(f"{node.name}: a shuffle in torch's channel order", hint="export with to_depth_order")
        ends = [writer.tensor(node.input[0])], [writer.tensor(node.output[0])]
        writer.builder.operator(name, *ends, options, blockSize=values["blocksize"])

    return lower


def _clip(writer: GraphWriter, node: Any) -> None:  # noqa: ANN401
    low, high = (float(writer.values[name]) for name in node.input[1:3])
    if (low, high) != (0.0, 1.0):
        raise UsageError(f"{node.name}: clips to {low:g}..{high:g}, only 0..1 has a TFLite form here")
    # MINIMUM and RELU are in every delegate's list, RELU_0_TO_1 in few.
    source, target = writer.tensor(node.input[0]), writer.tensor(node.output[0])
    below = writer.activation(f"{node.name}/below", writer.shape(node.input[0]))
    one = writer.builder.constant(f"{node.name}/one", np.array(1.0, dtype=np.float32))
    writer.builder.operator("MINIMUM", [source, one], [below], "MaximumMinimumOptions")
    writer.builder.operator("RELU", [below], [target])


Lowering = Callable[[GraphWriter, Any], None]

LOWERINGS: dict[str, Lowering] = {
    "Conv": _convolution,
    "Add": _addition,
    "Relu": _relu,
    "DepthToSpace": _shuffle("DEPTH_TO_SPACE", "DepthToSpaceOptions"),
    "SpaceToDepth": _shuffle("SPACE_TO_DEPTH", "SpaceToDepthOptions"),
    "Clip": _clip,
}


def to_tflite(job: Conversion) -> bytes:
    """A TFLite file that computes what the graph computes.

    Raises:
        MissingToolError: ai-edge-litert is not installed.
        UsageError: An operator or an option has no counterpart.
    """
    return GraphWriter(job).write()
