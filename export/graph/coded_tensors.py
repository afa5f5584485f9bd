"""The tensors that a quantized ONNX graph holds in codes, to be looked at one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ensharpen_edge.arrays import F32
from ensharpen_edge.calibration.session import graph_session
from ensharpen_edge.export.proof.operators import Tensors


def coded_tensors(path: Path) -> Tensors:
    """Return a function that runs a file of quantize / dequantize pairs, and gives what each QuantizeLinear wrote.

    Args:
        path: The file, with float images in and out; it is read when it is first run.
    """

    def load() -> Any:  # noqa: ANN401 (onnx.ModelProto)
        from onnx import load as read

        return read(str(path))

    return _watched(load)


def graph_tensors(model: Any) -> Tensors:  # noqa: ANN401 (onnx.ModelProto)
    """Return the same function for a graph in memory."""
    return _watched(lambda: type(model).FromString(model.SerializeToString()))


def _watched(load: Callable[[], Any]) -> Tensors:
    opened = cache(lambda: _opened(load()))
    return lambda image: opened()(image)


def _opened(watched: Any) -> Tensors:  # noqa: ANN401 (onnx.ModelProto)
    from onnx import TensorProto, helper, numpy_helper

    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in watched.graph.initializer}
    found: dict[str, tuple[str, float, int]] = {}
    for node in watched.graph.node:
        if node.op_type == "QuantizeLinear":
            scale, zero = constants[node.input[1]], constants[node.input[2]]
            found[node.input[0]] = (node.output[0], float(scale), int(zero))
            kind = TensorProto.UINT8 if zero.dtype == np.uint8 else TensorProto.INT8
            watched.graph.output.append(helper.make_tensor_value_info(node.output[0], kind, None))
    session = graph_session(watched)
    names = [output for output, _, _ in found.values()]

    def run(image: F32) -> Mapping[str, F32]:
        codes = session.run(names, {session.get_inputs()[0].name: image})
        return {
            tensor: (values.astype(np.float32) - zero) * np.float32(scale)
            for (tensor, (_, scale, zero)), values in zip(found.items(), codes, strict=True)
        }

    return run
