"""Graphs in half precision, and a run of them in half-precision arithmetic."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ensharpen_edge.arrays import F32
from ensharpen_edge.export.graph.onnx_graph import INPUT
from ensharpen_edge.export.proof.ladder import Run


def to_half(model: Any) -> Any:  # noqa: ANN401
    """Return a copy (onnx.ModelProto) with fp16 weights and arithmetic, float32 input and output."""
    import onnx
    from onnxconverter_common import float16

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # one per weight below fp16's smallest normal number
        return float16.convert_float_to_float16(
            onnx.ModelProto.FromString(model.SerializeToString()), keep_io_types=True
        )


def with_half_weights(model: Any) -> Any:  # noqa: ANN401
    """Return a copy (onnx.ModelProto) that stores its weights in fp16 and computes in fp32.

    Each weight is widened by a Cast, which runtimes compute once, when they load the file.
    """
    import onnx
    from onnx import numpy_helper

    made = onnx.ModelProto.FromString(model.SerializeToString())
    casts = []
    for tensor in made.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.ndim > 0:
            stored = f"{tensor.name}/half"
            casts.append(onnx.helper.make_node("Cast", [stored], [tensor.name], to=onnx.TensorProto.FLOAT))
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
    nodes = [*casts, *made.graph.node]
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    return made


def reference_run(model: Any) -> Run:  # noqa: ANN401
    """Return a function that runs a graph in numpy, every operator rounding to its declared type.

    ONNX Runtime computes fp16 graphs in fp32 on CPUs, so it shows the rounding of the weights only; this shows what
    half-precision arithmetic on a device does.
    """
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(model)

    def run(batch: F32) -> F32:
        (output,) = evaluator.run(None, {INPUT: batch})
        return np.asarray(output, dtype=np.float32)

    return run
