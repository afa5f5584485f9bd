"""The operations of a MIL program that this project writes, in numpy (Core ML's MIL operation reference)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ensharpen_edge.arrays import F32

Inputs = dict[str, Any]
Operation = Callable[[Inputs], Any]


_WINDOW_VALUES = 8_000_000
"""The number of values that a convolution holds at a time."""


def _conv(inputs: Inputs) -> F32:
    x, weight = inputs["x"], inputs["weight"]
    groups, strides = int(inputs.get("groups", 1)), tuple(int(side) for side in inputs.get("strides", (1, 1)))
    top, bottom, left, right = (int(side) for side in inputs.get("pad", (0, 0, 0, 0)))
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right))) if top or bottom or left or right else x
    sums = _depthwise if groups == x.shape[1] == weight.shape[0] else _grouped
    result = sums(padded, weight, strides, groups)
    bias = inputs.get("bias")
    return np.asarray(result if bias is None else result + bias.reshape(1, -1, 1, 1), dtype=np.float32)


def _shifted(x: F32, kernel: tuple[int, int], strides: tuple[int, ...]) -> Iterator[tuple[int, int, F32]]:
    """Return, for every place in a kernel, the values that it meets at all output pixels."""
    rows, columns = kernel
    height, width = (x.shape[2] - rows) // strides[0] + 1, (x.shape[3] - columns) // strides[1] + 1
    for row in range(rows):
        for column in range(columns):
            below, right = row + (height - 1) * strides[0] + 1, column + (width - 1) * strides[1] + 1
            yield row, column, x[:, :, row : below : strides[0], column : right : strides[1]]


def _depthwise(x: F32, weight: F32, strides: tuple[int, ...], _groups: int) -> F32:
    total: F32 | None = None
    for row, column, part in _shifted(x, weight.shape[2:], strides):
        term = part * weight[:, 0, row, column].reshape(1, -1, 1, 1)
        total = term if total is None else total + term
    return np.asarray(total)


def _grouped(x: F32, weight: F32, strides: tuple[int, ...], groups: int) -> F32:
    """Convolve in double precision, so that a pixel's sum does not depend on where a matrix product has its edges; band
    by band, because the windows of a large image would not fit into memory."""
    parts = [part for _, _, part in _shifted(x, weight.shape[2:], strides)]
    count, channels, height, width = parts[0].shape
    kernels = weight.astype(np.float64).reshape(groups, weight.shape[0] // groups, -1)
    result = np.empty((count, weight.shape[0], height, width), dtype=np.float32)
    rows = max(1, _WINDOW_VALUES // (count * channels * len(parts) * width))
    for top in range(0, height, rows):
        bands = [part[:, :, top : top + rows] for part in parts]
        high = bands[0].shape[2]
        windows = np.stack(bands, axis=2).astype(np.float64).reshape(count, groups, -1, high * width)
        result[:, :, top : top + rows] = (kernels @ windows).reshape(count, -1, high, width)
    return result


def _conv_transpose(inputs: Inputs) -> F32:
    """Convolve transposed, by kernels that do not overlap."""
    x, weight = inputs["x"], inputs["weight"]
    rows, columns = weight.shape[2:]
    count, channels, height, width = x.shape
    kernels = weight.astype(np.float64).reshape(channels, -1).T
    outputs = weight.shape[1]
    sums = (kernels @ x.astype(np.float64).reshape(count, channels, -1)).reshape(
        count, outputs, rows, columns, height, width
    )
    blocks = sums.transpose(0, 1, 4, 2, 5, 3)
    result = blocks.reshape(count, outputs, height * rows, width * columns)
    bias = inputs.get("bias")
    return np.asarray(result if bias is None else result + bias.reshape(1, -1, 1, 1), dtype=np.float32)


def _depth_to_space(inputs: Inputs) -> F32:
    x, block = inputs["x"], int(inputs["block_size"])
    n, c, h, w = x.shape
    d = c // (block * block)
    moved = x.reshape(n, block, block, d, h, w).transpose(0, 3, 4, 1, 5, 2)
    return np.asarray(moved.reshape(n, d, h * block, w * block))


def _space_to_depth(inputs: Inputs) -> F32:
    x, block = inputs["x"], int(inputs["block_size"])
    n, c, h, w = x.shape
    moved = x.reshape(n, c, h // block, block, w // block, block).transpose(0, 3, 5, 1, 2, 4)
    return np.asarray(moved.reshape(n, c * block * block, h // block, w // block))


def _clip(inputs: Inputs) -> F32:
    return np.asarray(np.clip(inputs["x"], inputs["alpha"], inputs["beta"]))


def _sigmoid(inputs: Inputs) -> F32:
    return np.asarray(1.0 / (1.0 + np.exp(-inputs["x"])), dtype=np.float32)


def _reduce_mean(inputs: Inputs) -> F32:
    axes = tuple(int(axis) for axis in inputs["axes"])
    return np.asarray(inputs["x"].mean(axis=axes, keepdims=bool(inputs["keep_dims"])), dtype=np.float32)


def _avg_pool(inputs: Inputs) -> F32:
    """Average over blocks that do not overlap."""
    x, (rows, columns) = inputs["x"], (int(side) for side in inputs["kernel_sizes"])
    n, c, h, w = x.shape
    return np.asarray(x.reshape(n, c, h // rows, rows, w // columns, columns).mean(axis=(3, 5)), dtype=np.float32)


def _nearest(inputs: Inputs) -> F32:
    rows, columns = int(inputs["scale_factor_height"]), int(inputs["scale_factor_width"])
    return np.asarray(inputs["x"].repeat(rows, axis=2).repeat(columns, axis=3))


def _bilinear(inputs: Inputs) -> F32:
    """Enlarge bilinearly with half-pixel centres: `align_corners` is off."""
    x = inputs["x"]
    for axis, name in ((2, "scale_factor_height"), (3, "scale_factor_width")):
        factor, size = float(inputs[name]), x.shape[axis]
        places = (np.arange(int(size * factor)) + 0.5) / factor - 0.5
        low = np.floor(places).astype(int)
        share = (places - low).astype(np.float32).reshape([-1 if i == axis else 1 for i in range(4)])
        before, after = (np.take(x, np.clip(index, 0, size - 1), axis=axis) for index in (low, low + 1))
        x = before * (1 - share) + after * share
    return np.asarray(x, dtype=np.float32)


def _quantize(inputs: Inputs) -> Any:  # noqa: ANN401 (int8 or uint8 codes)
    kind = np.uint8 if inputs["output_dtype"] == "uint8" else np.int8
    limits = np.iinfo(kind)
    zero = float(inputs.get("zero_point", 0))
    codes = np.rint(inputs["input"] / np.float32(inputs["scale"])) + zero
    return np.clip(codes, limits.min, limits.max).astype(kind)


def _dequantize(inputs: Inputs) -> F32:
    zero = float(inputs.get("zero_point", 0))
    return np.asarray((inputs["input"].astype(np.float32) - zero) * np.float32(inputs["scale"]), dtype=np.float32)


OPERATIONS: dict[str, Operation] = {
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "add": lambda inputs: inputs["x"] + inputs["y"],
    "mul": lambda inputs: inputs["x"] * inputs["y"],
    "relu": lambda inputs: np.maximum(inputs["x"], 0),
    "sigmoid": _sigmoid,
    "clip": _clip,
    "depth_to_space": _depth_to_space,
    "space_to_depth": _space_to_depth,
    "reduce_mean": _reduce_mean,
    "avg_pool": _avg_pool,
    "upsample_nearest_neighbor": _nearest,
    "upsample_bilinear": _bilinear,
    "quantize": _quantize,
    "dequantize": _dequantize,
    "cast": lambda inputs: inputs["x"],
    "identity": lambda inputs: inputs["x"],
}
"""Results are rounded to the operation's declared type by the caller."""
