"""Graphs in half precision, and a run of them in half-precision arithmetic."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ensharpen_edge.calibration.layers import attributes
from ensharpen_edge.calibration.session import graph_run
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


def rounded_run(model: Any) -> Run:  # noqa: ANN401
    """Return a function that runs a graph in which every operator rounds to its declared type.

    ONNX Runtime computes fp16 graphs in fp32 on CPUs, so it shows the rounding of the weights only; this shows what
    half-precision arithmetic on a device does, where products are summed in single precision, as tensor cores do.
    """
    return graph_run(with_rounding(model), optimized=False)


def with_rounding(model: Any) -> Any:  # noqa: ANN401
    """Return a float32 copy (onnx.ModelProto) that rounds to fp16 what the graph declares as fp16."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    declared = onnx.shape_inference.infer_shapes(model)
    half = {info.name for info in declared.graph.value_info if info.type.tensor_type.elem_type == TensorProto.FLOAT16}
    made = onnx.ModelProto.FromString(model.SerializeToString())
    del made.graph.value_info[:]
    for tensor in made.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT16:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
    nodes = []
    for node in made.graph.node:
        if node.op_type == "Cast" and attributes(node)["to"] in (TensorProto.FLOAT, TensorProto.FLOAT16):
            node.op_type = "Identity"
            del node.attribute[:]
        nodes.append(node)
        for index, name in enumerate(node.output):
            if name in half:
                node.output[index] = f"{name}/exact"
                nodes += [
                    helper.make_node("Cast", [f"{name}/exact"], [f"{name}/half"], to=TensorProto.FLOAT16),
                    helper.make_node("Cast", [f"{name}/half"], [name], to=TensorProto.FLOAT),
                ]
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    return made
