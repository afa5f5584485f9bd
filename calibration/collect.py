"""One forward pass per photograph: every tensor of a graph is looked at on the way, for all range methods together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ensharpen_edge.arrays import F32
from ensharpen_edge.calibration.histogram import Histogram, StreamingHistogram
from ensharpen_edge.calibration.layers import find_layers
from ensharpen_edge.errors import BadInputError, require
from ensharpen_edge.processor_cores import usual_threads

Visitor = Callable[[int, str, F32], None]

DEFAULT_SAMPLES = 8_192
"""Values of a tensor that a photograph's histogram counts; smallest and largest value are always exact. Counting all of
them takes twenty times as long as the network itself."""


@dataclass(frozen=True)
class PhotoInput:
    """One input of the network.

    Attributes:
        name: Name of the photograph, for messages.
        batch: float32 (1, 3, H, W) in [0, 1].
    """

    name: str
    batch: F32


def layer_tensors(model: Any) -> list[str]:  # noqa: ANN401 (onnx.ModelProto)
    """Return the input and every tensor that some layer reads or writes, in graph order: all that is ever quantized."""
    used = {name for layer in find_layers(model) for name in layer.tensors}
    return [model.graph.input[0].name, *(name for name in all_tensors(model)[1:] if name in used)]


def all_tensors(model: Any) -> list[str]:  # noqa: ANN401
    """Return the input and every float tensor that a node computes, in graph order."""
    constant = {output for node in model.graph.node if node.op_type == "Constant" for output in node.output}
    computed = [name for node in model.graph.node for name in node.output if name and name not in constant]
    return [model.graph.input[0].name, *computed]


def _observing(model: Any, names: list[str]) -> Any:  # noqa: ANN401
    """Return a copy of the graph in which the named tensors are outputs."""
    onnx = require("onnx", "onnx")
    copied = onnx.ModelProto.FromString(model.SerializeToString())
    present = {output.name for output in copied.graph.output}
    inputs = {value.name for value in copied.graph.input}
    for name in names:
        if name not in present and name not in inputs:
            copied.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    return copied


class Observer:
    """Runs a float graph and watches its tensors.

    Args:
        model: onnx.ModelProto of a float32 graph with one input and one output.
        names: Tensors to watch, or None for `layer_tensors`.
        samples: See `DEFAULT_SAMPLES`; 0 counts every value.
        threads: CPU threads of ONNX Runtime, 0 for the usual number.

    Raises:
        MissingToolError: onnx or onnxruntime is not installed.
        BadInputError: A weight is NaN or infinite.
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401
        samples: int = DEFAULT_SAMPLES,
        threads: int = 0,
        names: list[str] | None = None,
    ) -> None:
        onnx = require("onnx", "onnx")
        onnxruntime = require("onnxruntime", "onnx")
        for tensor in model.graph.initializer:
            values = onnx.numpy_helper.to_array(tensor)
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                raise BadInputError(f"the weight {tensor.name!r} holds NaN or Inf", hint="train or fetch it again")
        self.names = names or layer_tensors(model)
        self._samples = samples
        self._input = model.graph.input[0].name
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or usual_threads()
        options.log_severity_level = 3
        # Between two runs torch degrades the next crop; threads that wait by spinning would take its processors.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            _observing(model, self.names).SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def tensors(self, batch: F32) -> Iterator[tuple[str, F32]]:
        """Yield names and values of all watched tensors for one input."""
        yield self._input, batch
        wanted = [name for name in self.names if name != self._input]
        yield from zip(wanted, self._session.run(wanted, {self._input: batch}), strict=True)

    def collect(
        self,
        inputs: Iterable[PhotoInput],
        visitor: Visitor | None = None,
    ) -> dict[str, Histogram]:
        """Return the histograms of all watched tensors over the photographs.

        Args:
            inputs: The photographs.
            visitor: Called with every tensor as well: photograph's number from 0, name, values.

        Raises:
            BadInputError: A tensor holds NaN or Inf, or there were no photographs.
        """
        streams = {name: StreamingHistogram(name) for name in self.names}
        for number, photo in enumerate(inputs):
            for name, values in self.tensors(photo.batch):
                streams[name].add(values, photo.name, self._samples)
                if visitor is not None:
                    visitor(number, name, values)
        return {name: stream.freeze() for name, stream in streams.items()}
