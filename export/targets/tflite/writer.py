"""A graph on its way into a TFLite file: which tensor is where, in floats or in codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ensharpen_edge.calibration.layers import attributes
from ensharpen_edge.errors import BadInputError
from ensharpen_edge.export.targets.tflite.builder import Array, TfliteBuilder
from ensharpen_edge.export.targets.tflite.codes import Codes
from ensharpen_edge.export.targets.tflite.shapes import Shape, nhwc_shapes
from ensharpen_edge.export.targets.tflite.weights import STORES, int_constant

FREE = (1, -1, -1)
"""Batch, height and width of a file for free sizes."""

_DEQUANTIZE = {"uint8": 1, "int8": 2, "int16": 3}
"""Version of the operator by what it reads."""
_LARGEST_BIAS = {"int32": 2**31 - 1, "int64": 2**48}


@dataclass(frozen=True)
class IntegerLayers:
    """Layers that are computed in codes.

    Attributes:
        nodes: Names of the ONNX nodes; a convolution with its ReLU.
        codes: Codes of every activation.
        steps: (O,) of each rounded weight, by initializer.
    """

    nodes: frozenset[str] = frozenset()
    codes: Mapping[str, Codes] = field(default_factory=dict)
    steps: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Conversion:
    """One file to write.

    Attributes:
        model: onnx.ModelProto of a float graph, shuffles in depth order.
        size: (height, width) that the file opens with.
        free: Whether other sizes may be asked for.
        description: Text for the file's header.
        weights: Store of the weights of float layers, a name in `weights.STORES`.
        integers: Layers in codes.
        images: Codes of the input and the output image; None for floats.
        metadata: Bytes that readers find in the file by a name.
    """

    model: Any
    size: tuple[int, int]
    free: bool
    description: str
    weights: str = "float32"
    integers: IntegerLayers = field(default_factory=IntegerLayers)
    images: Codes | None = None
    metadata: Mapping[str, bytes] = field(default_factory=dict)


class GraphWriter:
    """Keeps track of tensors for the lowerings.

    Every tensor has a home form, the one its producer writes: floats, or codes. Whoever wants the other form gets it
    through one conversion, made when it is first asked for.

    Args:
        job: The file to write.
    """

    def __init__(self, job: Conversion) -> None:
        from onnx import numpy_helper

        self.job = job
        self.builder = TfliteBuilder(job.description)
        self._shapes = nhwc_shapes(job.model, job.size)
        self._forms: dict[tuple[str, Codes | None], int] = {}
        self._homes: dict[str, Codes | None] = {}
        graph = job.model.graph
        self.values: dict[str, Array] = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        for node in graph.node:
            if node.op_type == "Constant":
                self.values[node.output[0]] = numpy_helper.to_array(attributes(node)["value"])
        self._readers: dict[str, list[Any]] = {}
        for node in graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)

    def in_codes(self, node: Any) -> bool:  # noqa: ANN401 (onnx.NodeProto)
        """Return whether a node computes in codes."""
        return node.name in self.job.integers.nodes

    def home(self, name: str) -> Codes | None:
        """Return the codes of a tensor's home form, None for floats."""
        return self._homes[name]

    def shape(self, name: str) -> Shape:
        """Return the (N, H, W, C) of an activation."""
        return self._shapes[name]

    def has(self, name: str) -> bool:
        """Return whether a tensor has been written."""
        return name in self._homes

    def written(self, name: str, codes: Codes | None = None) -> int:
        """Add a tensor, in its home form."""
        self._homes[name] = codes
        self._forms[name, codes] = self.activation(name, self._shapes[name], codes)
        return self._forms[name, codes]

    def output(self, name: str, node: Any) -> int:  # noqa: ANN401
        """Add a tensor in the form that a node of a layer writes."""
        return self.written(name, self.job.integers.codes[name] if self.in_codes(node) else None)

    def becomes_image(self, name: str) -> bool:
        """Return whether nothing reads a tensor but the final clip, which is free in codes."""
        readers = self._readers.get(name, [])
        return len(readers) == 1 and readers[0].op_type == "Clip"

    def coded(self, name: str, codes: Codes) -> int:
        """Return a tensor in given codes."""
        return self._converted(name, codes)

    def alias(self, name: str, source: str, codes: Codes) -> None:
        """Let `name` be `source` in these codes."""
        self._homes[name] = codes
        self._forms[name, codes] = self._converted(source, codes)

    def activation(self, name: str, shape: Shape, codes: Codes | None = None) -> int:
        """Add a tensor that only one lowering knows."""
        free = self.job.free and shape[1:3] != (1, 1)
        signature = (*FREE, shape[3]) if free else None
        return self.builder.tensor(name, shape, signature=signature, codes=codes)

    def read(self, name: str) -> int:
        """Return a tensor in its home form."""
        return self._forms[name, self._homes[name]]

    def floats(self, name: str) -> int:
        """Return a tensor in floats."""
        return self._converted(name, None)

    def input(self, name: str, node: Any) -> int:  # noqa: ANN401
        """Return a tensor as a node of a layer reads it."""
        return self._converted(name, self.codes_read(name)) if self.in_codes(node) else self.floats(name)

    def codes_read(self, name: str) -> Codes:
        """Return the codes in which layers in codes read a tensor: its home's, where those are of the right kind."""
        home, own = self._homes[name], self.job.integers.codes[name]
        return home if home is not None and home.dtype == own.dtype else own

    def _converted(self, name: str, codes: Codes | None) -> int:
        if (name, codes) not in self._forms:
            source = self.read(name)
            suffix = "floats" if codes is None else codes.dtype
            made = self.activation(f"{name}/{suffix}", self._shapes[name], codes)
            if codes is None:
                home = self._homes[name]
                version = _DEQUANTIZE[home.dtype] if home else 1
                self.builder.operator("DEQUANTIZE", [source], [made], "DequantizeOptions", version)
            else:
                version = 2 if codes.dtype == "int16" else 1
                self.builder.operator("QUANTIZE", [source], [made], "QuantizeOptions", version)
            self._forms[name, codes] = made
        return self._forms[name, codes]

    def float_weights(self, name: str, values: Array, axis: int) -> int:
        """Add the constant weights of a float layer."""
        return STORES[self.job.weights](self.builder, name, values, axis)

    def integer_weights(self, name: str, values: Array, axis: int) -> int:
        """Add the constant weights of a layer in codes, which lie on the grid of their steps already."""
        return int_constant(self.builder, name, values, self.job.integers.steps[name], axis)

    def integer_bias(self, name: str, values: Array, source: Codes, steps: Array) -> int:
        """Add the constant bias of a layer in codes.

        Raises:
            BadInputError: A value is too large for its integer.
        """
        dtype = "int64" if source.dtype == "int16" else "int32"
        scales = source.step * steps
        codes = np.rint(values / scales)
        if not (np.abs(codes) <= _LARGEST_BIAS[dtype]).all():
            raise BadInputError(f"{name}: does not fit {dtype}", hint="keep the layer in float (--keep)")
        return self.builder.constant(name, codes.astype(dtype), [float(scale) for scale in scales])

    def fused_relu(self, node: Any) -> tuple[str, int]:  # noqa: ANN401
        """Return the name of what a node writes once a ReLU behind it is part of it, and the fused activation."""
        readers = self._readers.get(node.output[0], [])
        fuse = len(readers) == 1 and readers[0].op_type == "Relu"
        output = readers[0].output[0] if fuse else node.output[0]
        return output, self.builder.enumerated("ActivationFunctionType", "RELU" if fuse else "NONE")
