"""ONNX operators as TFLite operators. A new one is one function and one line in `LOWERINGS`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ensharpen_edge.calibration.layers import attributes
from ensharpen_edge.errors import UsageError
from ensharpen_edge.export.targets.tflite.builder import Array
from ensharpen_edge.export.targets.tflite.writer import GraphWriter

Lowering = Callable[[GraphWriter, Any], None]

_DENSE, _DEPTHWISE = (0, 2, 3, 1), (1, 2, 3, 0)
"""Orders of ONNX's (O, I, kH, kW) kernels that TFLite's operators want."""


def _convolution(writer: GraphWriter, node: Any) -> None:  # noqa: ANN401 (onnx.NodeProto)
    options = attributes(node)
    weight = writer.values[node.input[1]]
    bias = writer.values[node.input[2]] if len(node.input) > 2 else np.zeros(len(weight), np.float32)
    depthwise = options.get("group", 1) > 1
    pads, strides = options.get("pads", [0] * 4), options.get("strides", [1, 1])
    same = list(strides) == [1, 1] and list(pads) == [weight.shape[2] // 2, weight.shape[3] // 2] * 2
    if any(pads) and not same:
        # With strides, SAME pads the far side only.
        raise UsageError(f"{node.name}: pads {list(pads)} with strides {list(strides)} have no TFLite form here")
    source = writer.input(node.input[0], node)
    constants = _constants(writer, node, weight, bias, depthwise)
    output, relu = writer.fused_relu(node)
    target = writer.output(output, node)
    values = {
        "padding": writer.builder.enumerated("Padding", "SAME" if same else "VALID"),
        "strideH": strides[0],
        "strideW": strides[1],
        "dilationHFactor": 1,
        "dilationWFactor": 1,
        "fusedActivationFunction": relu,
    }
    inputs, integers = [source, *constants], writer.in_codes(node)
    wide = integers and writer.codes_read(node.input[0]).dtype == "int16"
    if depthwise:
        version = (5 if wide else 3) if integers else 1
        writer.builder.operator(
            "DEPTHWISE_CONV_2D", inputs, [target], "DepthwiseConv2DOptions", version, depthMultiplier=1, **values
        )
    else:
        hybrid = not integers and writer.job.weights == "hybrid"
        version = (4 if wide else 3) if integers else 5 if hybrid else 1
        writer.builder.operator("CONV_2D", inputs, [target], "Conv2DOptions", version, **values)


def _constants(writer: GraphWriter, node: Any, weight: Array, bias: Array, depthwise: bool) -> tuple[int, int]:  # noqa: ANN401
    kernel = np.ascontiguousarray(weight.transpose(_DEPTHWISE if depthwise else _DENSE))
    axis, name, bias_name = 3 if depthwise else 0, node.input[1], f"{node.name}/bias"
    if not writer.in_codes(node):
        return writer.float_weights(name, kernel, axis), writer.builder.constant(bias_name, bias.astype(np.float32))
    weights = writer.integer_weights(name, kernel, axis)
    steps = writer.job.integers.steps[name]
    return weights, writer.integer_bias(bias_name, bias, writer.codes_read(node.input[0]), steps)


def _transposed_convolution(writer: GraphWriter, node: Any) -> None:  # noqa: ANN401
    """Kernels that do not overlap are a 1x1 convolution and a shuffle, exactly; TRANSPOSE_CONV would hold the size."""
    options, weight = attributes(node), writer.values[node.input[1]]
    inputs, _, height, width = weight.shape
    if list(options["strides"]) != [height, width] or height != width or any(options.get("pads", [])):
        raise UsageError(f"{node.name}: a transposed convolution with overlap has no TFLite form here")
    # (I, O, kH, kW) -> rows in block-first order
    rows = np.ascontiguousarray(weight.transpose(2, 3, 1, 0).reshape(-1, 1, 1, inputs))
    bias = np.tile(writer.values[node.input[2]], height * width).astype(np.float32)
    count, high, wide, _ = writer.shape(node.input[0])
    blocks = writer.activation(f"{node.name}/blocks", (count, high, wide, len(rows)))
    constants = [writer.float_weights(node.input[1], rows, 0), writer.builder.constant(f"{node.name}/bias", bias)]
    writer.builder.operator(
        "CONV_2D",
        [writer.floats(node.input[0]), *constants],
        [blocks],
        "Conv2DOptions",
        5 if writer.job.weights == "hybrid" else 1,
        padding=writer.builder.enumerated("Padding", "VALID"),
        strideH=1,
        strideW=1,
        dilationHFactor=1,
        dilationWFactor=1,
    )
    target = writer.written(node.output[0])
    writer.builder.operator("DEPTH_TO_SPACE", [blocks], [target], "DepthToSpaceOptions", blockSize=height)


def _addition(writer: GraphWriter, node: Any) -> None:  # noqa: ANN401
    integers = writer.in_codes(node)
    inputs = [writer.input(name, node) for name in node.input]
    wide = integers and writer.codes_read(node.input[0]).dtype == "int16"
    # The 16-bit kernel rescales by any factor from version 3 on.
    values = {"potScaleInt16": False} if wide else {}
    version = (3 if wide else 2) if integers else 1
    writer.builder.operator("ADD", inputs, [writer.output(node.output[0], node)], "AddOptions", version, **values)


def _multiplication(writer: GraphWriter, node: Any) -> None:  # noqa: ANN401
    inputs = [writer.floats(name) for name in node.input]
    writer.builder.operator("MUL", inputs, [writer.written(node.output[0])], "MulOptions")


def _unary(name: str) -> Lowering:
    def lower(writer: GraphWriter, node: Any) -> None:  # noqa: ANN401
        writer.builder.operator(name, [writer.floats(node.input[0])], [writer.written(node.output[0])])

    return lower


def _shuffle(name: str, options: str) -> Lowering:
    """Codes move like floats, so the form stays; only for 16 bits there is no kernel."""

    def lower(writer: GraphWriter, node: Any) -> None:  # noqa: ANN401
        values = attributes(node)
        if values.get("mode", b"DCR") != b"DCR":
            raise UsageError(f"{node.name}: a shuffle in torch's channel order", hint="export with to_depth_order")
        home = writer.home(node.input[0])
        images = writer.job.images
        if images is not None and writer.becomes_image(node.output[0]):
            home = images  # a quarter of the bytes move
            source, target = writer.coded(node.input[0], home), writer.written(node.output[0], home)
        elif home is not None and home.dtype == "int16":
            source, target = writer.floats(node.input[0]), writer.written(node.output[0])
        else:
            source, target = writer.read(node.input[0]), writer.written(node.output[0], home)
        version = 2 if home is not None and home.dtype == "int8" else 1
        writer.builder.operator(name, [source], [target], options, version, blockSize=values["blocksize"])

    return lower


def _clip(writer: GraphWriter, node: Any) -> None:  # noqa: ANN401
    low, high = (float(writer.values[name]) for name in node.input[1:3])
    if (low, high) != (0.0, 1.0):
        raise UsageError(f"{node.name}: clips to {low:g}..{high:g}, only 0..1 has a TFLite form here")
    if writer.job.images is not None:
        # Codes of 1/255 end at 0 and 1: turning into them clips.
        writer.alias(node.output[0], node.input[0], writer.job.images)
        return
    # MINIMUM and RELU are in more delegates' lists than RELU_0_TO_1.
    source, target = writer.floats(node.input[0]), writer.written(node.output[0])
    below = writer.activation(f"{node.name}/below", writer.shape(node.input[0]))
    one = writer.builder.constant(f"{node.name}/one", np.array(1.0, dtype=np.float32))
    writer.builder.operator("MINIMUM", [source, one], [below], "MaximumMinimumOptions")
    writer.builder.operator("RELU", [below], [target])


def _global_mean(writer: GraphWriter, node: Any) -> None:  # noqa: ANN401
    axes = writer.builder.constant(f"{node.name}/axes", np.array([1, 2], dtype=np.int32))
    inputs = [writer.floats(node.input[0]), axes]
    writer.builder.operator("MEAN", inputs, [writer.written(node.output[0])], "ReducerOptions", keepDims=True)


def _mean_of_blocks(writer: GraphWriter, node: Any) -> None:  # noqa: ANN401
    options = attributes(node)
    height, width = options["kernel_shape"]
    if list(options["strides"]) != [height, width] or any(options.get("pads", [])):
        raise UsageError(f"{node.name}: a mean over blocks that overlap has no TFLite form here")
    writer.builder.operator(
        "AVERAGE_POOL_2D",
        [writer.floats(node.input[0])],
        [writer.written(node.output[0])],
        "Pool2DOptions",
        padding=writer.builder.enumerated("Padding", "VALID"),
        strideH=height,
        strideW=width,
        filterHeight=height,
        filterWidth=width,
    )


def _resize(writer: GraphWriter, node: Any) -> None:  # noqa: ANN401
    options = attributes(node)
    if options["mode"] == b"nearest" and options["coordinate_transformation_mode"] == b"asymmetric":
        _nearest(writer, node)
        return
    if options["mode"] != b"linear" or options["coordinate_transformation_mode"] != b"half_pixel":
        raise UsageError(f"{node.name}: this interpolation has no TFLite form here")
    if writer.job.free:
        raise UsageError(
            f"{node.name}: bilinear interpolation holds its size in the file", hint="give a fixed one: --size 512x512"
        )
    _, height, width, _ = writer.shape(node.output[0])
    size = writer.builder.constant(f"{node.name}/size", np.array([height, width], dtype=np.int32))
    inputs, target = [writer.floats(node.input[0]), size], writer.written(node.output[0])
    writer.builder.operator("RESIZE_BILINEAR", inputs, [target], "ResizeBilinearOptions", 3, halfPixelCenters=True)


def _nearest(writer: GraphWriter, node: Any) -> None:  # noqa: ANN401
    """Copies of the channels, shuffled: unlike RESIZE_NEAREST_NEIGHBOR it holds no size, so it fits free sizes."""
    count, height, width, channels = writer.shape(node.input[0])
    factor = writer.shape(node.output[0])[1] // height
    source = writer.floats(node.input[0])
    while factor > 1:
        if factor % 2:
            raise UsageError(f"{node.name}: enlarges by a factor that is no power of 2")
        factor //= 2
        copies = writer.activation(f"{node.name}/copies{factor}", (count, height, width, 4 * channels))
        writer.builder.operator("CONCATENATION", [source] * 4, [copies], "ConcatenationOptions", axis=3)
        height, width = 2 * height, 2 * width
        if factor == 1:
            source = writer.written(node.output[0])
        else:
            source = writer.activation(f"{node.name}/enlarged{factor}", (count, height, width, channels))
        writer.builder.operator("DEPTH_TO_SPACE", [copies], [source], "DepthToSpaceOptions", blockSize=2)


LOWERINGS: dict[str, Lowering] = {
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    "Add": _addition,
    "Mul": _multiplication,
    "Relu": _unary("RELU"),
    "Sigmoid": _unary("LOGISTIC"),
    "DepthToSpace": _shuffle("DEPTH_TO_SPACE", "DepthToSpaceOptions"),
    "SpaceToDepth": _shuffle("SPACE_TO_DEPTH", "SpaceToDepthOptions"),
    "Clip": _clip,
    "GlobalAveragePool": _global_mean,
    "AveragePool": _mean_of_blocks,
    "Resize": _resize,
}
