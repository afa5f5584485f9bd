"""The deep learning accelerator of Orin: a graph without what it lacks, and the text that gives it our scales.

It has neither pixel shuffles nor explicit quantization up to TensorRT 10. A shuffle is a convolution with ones and
zeros, exactly; and TensorRT takes a calibration cache, whose lines are tensor names with their scale as the hexadecimal
digits of a big-endian float32.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensharpen_edge.calibration.layers import attributes
from ensharpen_edge.calibration.ranges import Range

GRAPH, CACHE = "dla", "dla.cache"
_CODES = 127.0


def for_accelerator(model: Any) -> Any:  # noqa: ANN401 (onnx.ModelProto of fixed size, fp32)
    """Return a copy whose shuffles are convolutions; it computes the same bits."""
    from onnx import ModelProto, helper, numpy_helper, shape_inference

    made = ModelProto.FromString(model.SerializeToString())
    inferred = shape_inference.infer_shapes(made)
    channels = {
        value.name: value.type.tensor_type.shape.dim[1].dim_value
        for value in (*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output)
        if len(value.type.tensor_type.shape.dim) == 4
    }
    nodes = []
    for node in made.graph.node:
        if node.op_type not in ("SpaceToDepth", "DepthToSpace"):
            nodes.append(node)
            continue
        block = int(attributes(node)["blocksize"])
        outward = node.op_type == "DepthToSpace"
        small = channels[node.output[0] if outward else node.input[0]]
        name = f"{node.name}/ones"
        made.graph.initializer.append(numpy_helper.from_array(shuffle_kernel(small, block), name))
        operator = "ConvTranspose" if outward else "Conv"
        inputs = [node.input[0], name]
        nodes.append(
            helper.make_node(
                operator, inputs, list(node.output), node.name, strides=[block] * 2, kernel_shape=[block] * 2
            )
        )
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    return made


def shuffle_kernel(channels: int, block: int) -> NDArray[np.float32]:
    """Return the (block^2 C, C, block, block) kernel of a convolution that moves blocks into channels."""
    kernel = np.zeros((block * block * channels, channels, block, block), dtype=np.float32)
    for row in range(block):
        for column in range(block):
            for channel in range(channels):
                kernel[(row * block + column) * channels + channel, channel, row, column] = 1.0
    return kernel


def cache_text(ranges: Mapping[str, Range], header: str = "TRT-8502-EntropyCalibration2") -> str:
    """Return a calibration cache.

    Args:
        ranges: Symmetric ranges by tensor.
        header: First line; names the TensorRT version, so the device replaces it by its own.
    """
    lines = [header]
    for name, span in ranges.items():
        scale = max(span.high, -span.low) / _CODES
        lines.append(f"{name}: {struct.pack('>f', scale).hex()}")
    return "\n".join(lines) + "\n"
