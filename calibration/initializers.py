"""Constant tensors of a graph: copies of it, and new values for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ensharpen_edge.arrays import F64


def copy_graph(model: Any) -> tuple[Any, dict[str, Any]]:  # noqa: ANN401 (onnx.ModelProto)
    """Return a copy of a graph, and its initializers by name."""
    from onnx import ModelProto

    copied = ModelProto.FromString(model.SerializeToString())
    return copied, {tensor.name: tensor for tensor in copied.graph.initializer}


def values_of(tensor: Any) -> F64:  # noqa: ANN401 (onnx.TensorProto)
    """Return an initializer's values, in double precision."""
    from onnx import numpy_helper

    return np.asarray(numpy_helper.to_array(tensor), dtype=np.float64)


def store(tensor: Any, values: F64) -> None:  # noqa: ANN401
    """Replace an initializer's values; they are float32 again."""
    from onnx import numpy_helper

    tensor.CopyFrom(numpy_helper.from_array(np.asarray(values, dtype=np.float32), tensor.name))
