"""ONNX operators as MIL operations. A new one is one function and one line in `LOWERINGS`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ensharpen_edge.calibration.layers import attributes
from ensharpen_edge.errors import UsageError
from ensharpen_edge.export.targets.coreml.writer import ProgramWriter, plain_name

Lowering = Callable[[ProgramWriter, Any], Any]
"""(writer, ONNX node) -> MIL variable."""


def _convolution(writer: ProgramWriter, node: Any) -> Any:  # noqa: ANN401
    options = attributes(node)
    top, left, bottom, right = options.get("pads", [0] * 4)
    bias = {"bias": writer.constants[node.input[2]].astype(np.float32)} if len(node.input) > 2 else {}
    return writer.build.conv(
        x=writer.read(node.input[0], node),
        weight=writer.weight(node.input[1]),
        strides=[int(side) for side in options.get("strides", [1, 1])],
        pad_type="custom",
        pad=[int(side) for side in (top, bottom, left, right)],
        groups=int(options.get("group", 1)),
        name=plain_name(node),
        **bias,
    )


def _transposed_convolution(writer: ProgramWriter, node: Any) -> Any:  # noqa: ANN401
    options = attributes(node)
    return writer.build.conv_transpose(
        x=writer.get(node.input[0]),
        weight=writer.constants[node.input[1]].astype(np.float32),
        bias=writer.constants[node.input[2]].astype(np.float32),
        strides=[int(side) for side in options["strides"]],
        name=plain_name(node),
    )


def _unary(operation: str) -> Lowering:
    return lambda writer, node: getattr(writer.build, operation)(x=writer.get(node.input[0]), name=plain_name(node))


def _binary(operation: str) -> Lowering:
    def lower(writer: ProgramWriter, node: Any) -> Any:  # noqa: ANN401
        first, second = (writer.get(name) for name in node.input)
        return getattr(writer.build, operation)(x=first, y=second, name=plain_name(node))

    return lower


def _shuffle(operation: str) -> Lowering:
    """`depth_to_space` and `space_to_depth` are in block-first order, as TensorFlow's."""

    def lower(writer: ProgramWriter, node: Any) -> Any:  # noqa: ANN401
        values = attributes(node)
        if values.get("mode", b"DCR") != b"DCR":
            raise UsageError(f"{node.name}: a shuffle in torch's channel order", hint="export with to_depth_order")
        block = int(values["blocksize"])
        return getattr(writer.build, operation)(x=writer.get(node.input[0]), block_size=block, name=plain_name(node))

    return lower


def _clip(writer: ProgramWriter, node: Any) -> Any:  # noqa: ANN401
    low, high = (float(writer.constants[name]) for name in node.input[1:3])
    return writer.build.clip(
        x=writer.get(node.input[0]), alpha=np.float32(low), beta=np.float32(high), name=plain_name(node)
    )


def _global_mean(writer: ProgramWriter, node: Any) -> Any:  # noqa: ANN401
    return writer.build.reduce_mean(x=writer.get(node.input[0]), axes=[2, 3], keep_dims=True, name=plain_name(node))


def _mean_of_blocks(writer: ProgramWriter, node: Any) -> Any:  # noqa: ANN401
    options = attributes(node)
    return writer.build.avg_pool(
        x=writer.get(node.input[0]),
        kernel_sizes=[int(side) for side in options["kernel_shape"]],
        strides=[int(side) for side in options["strides"]],
        pad_type="valid",
        name=plain_name(node),
    )


def _resize(writer: ProgramWriter, node: Any) -> Any:  # noqa: ANN401
    options = attributes(node)
    _, _, height, width = (float(scale) for scale in writer.constants[node.input[2]])
    scales = {"scale_factor_height": height, "scale_factor_width": width}
    source = writer.get(node.input[0])
    if options["mode"] == b"nearest":
        return writer.build.upsample_nearest_neighbor(x=source, name=plain_name(node), **scales)
    return writer.build.upsample_bilinear(x=source, align_corners=False, name=plain_name(node), **scales)


LOWERINGS: dict[str, Lowering] = {
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    "Add": _binary("add"),
    "Mul": _binary("mul"),
    "Relu": _unary("relu"),
    "Sigmoid": _unary("sigmoid"),
    "DepthToSpace": _shuffle("depth_to_space"),
    "SpaceToDepth": _shuffle("space_to_depth"),
    "Clip": _clip,
    "GlobalAveragePool": _global_mean,
    "AveragePool": _mean_of_blocks,
    "Resize": _resize,
}
