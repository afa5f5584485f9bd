"""A graph on its way into a MIL program: values by ONNX name, constants, and what is computed in codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensharpen_edge.calibration.layers import attributes
from ensharpen_edge.calibration.ranges import Range

Array = NDArray[Any]

_LARGEST = 127


@dataclass(frozen=True)
class CodedConvolutions:
    """Convolutions that read 8-bit activations and 8-bit weights.

    Attributes:
        reads: Nodes that read an activation in codes, by activation.
        ranges: Ranges of those activations.
        steps: (O,) of each rounded weight, by initializer.
    """

    reads: Mapping[str, frozenset[str]] = field(default_factory=dict)
    ranges: Mapping[str, Range] = field(default_factory=dict)
    steps: Mapping[str, Array] = field(default_factory=dict)


class ProgramWriter:
    """Keeps values for the lowerings.

    Args:
        model: onnx.ModelProto of a float graph.
        coded: Convolutions in codes.
    """

    def __init__(self, model: Any, coded: CodedConvolutions) -> None:  # noqa: ANN401
        from coremltools.converters.mil import Builder
        from onnx import numpy_helper

        self.build: Any = Builder
        self.coded = coded
        self.constants: dict[str, Array] = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        for node in model.graph.node:
            if node.op_type == "Constant":
                self.constants[node.output[0]] = numpy_helper.to_array(attributes(node)["value"])
        self._values: dict[str, Any] = {}
        self._codes: dict[str, Any] = {}

    def set(self, name: str, value: Any) -> None:  # noqa: ANN401 (a MIL variable)
        """Keep what a node writes."""
        self._values[name] = value

    def get(self, name: str) -> Any:  # noqa: ANN401
        """Return a value in floats."""
        return self._values[name]

    def read(self, name: str, node: Any) -> Any:  # noqa: ANN401
        """Return a value as a node reads it: rounded to codes and back where the plan says so."""
        if node.name not in self.coded.reads.get(name, frozenset()):
            return self.get(name)
        if name not in self._codes:
            span = self.coded.ranges[name]
            step = max((span.high - span.low) / 255.0, 1e-9)
            zero = int(np.clip(round(-128 - span.low / step), -128, 127))
            settings = {"scale": np.float32(step), "zero_point": np.int8(zero)}
            codes = self.build.quantize(input=self.get(name), output_dtype="int8", name=f"{_plain(name)}_q", **settings)
            self._codes[name] = self.build.dequantize(input=codes, name=f"{_plain(name)}_dq", **settings)
        return self._codes[name]

    def weight(self, name: str) -> Any:  # noqa: ANN401
        """Return constant weights, stored in 8 bits where they lie on a grid of codes."""
        values = self.constants[name]
        steps = self.coded.steps.get(name)
        if steps is None:
            return values.astype(np.float32)
        shape = (-1, *([1] * (values.ndim - 1)))
        codes = np.clip(np.rint(values / np.reshape(steps, shape)), -_LARGEST, _LARGEST).astype(np.int8)
        zeros = np.zeros(len(codes), dtype=np.int8)
        return self.build.constexpr_affine_dequantize(
            quantized_data=codes, zero_point=zeros, scale=steps.astype(np.float32), axis=np.int32(0), name=_plain(name)
        )


def _plain(name: str) -> str:
    """Names in a program hold letters, digits and underscores."""
    return "".join(letter if letter.isalnum() else "_" for letter in name).strip("_")


def plain_name(node: Any) -> str:  # noqa: ANN401 (onnx.NodeProto)
    """Return the name of a node's operation."""
    return _plain(node.name)
