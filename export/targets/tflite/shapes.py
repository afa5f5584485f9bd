"""Sizes of a graph's tensors for one input size."""

from __future__ import annotations

from typing import Any

from ensharpen_edge.errors import BadInputError

Shape = tuple[int, int, int, int]


def nhwc_shapes(model: Any, size: tuple[int, int]) -> dict[str, Shape]:  # noqa: ANN401 (onnx.ModelProto)
    """Return the (N, H, W, C) of every rank-4 activation.

    Args:
        model: For free sizes or for this one.
        size: (height, width) of the input.

    Raises:
        BadInputError: A tensor's size cannot be inferred.
    """
    import onnx

    fixed = onnx.ModelProto.FromString(model.SerializeToString())
    for position, side in zip((2, 3), size, strict=True):
        fixed.graph.input[0].type.tensor_type.shape.dim[position].dim_value = side
    del fixed.graph.value_info[:]
    for output in fixed.graph.output:
        output.type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(fixed, strict_mode=True, data_prop=True)
    shapes: dict[str, Shape] = {}
    for value in (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output):
        sides = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if len(sides) != 4:
            continue
        if not all(sides):
            raise BadInputError(f"the size of {value.name!r} does not follow from the input's")
        count, channels, height, width = sides
        shapes[value.name] = (count, height, width, channels)
    return shapes
