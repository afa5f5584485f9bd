"""Stores of a convolution's weights. A new way is one function and one line in `STORES`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ensharpen_edge.calibration.rounding import weight_scales
from ensharpen_edge.export.targets.tflite.builder import Array, TfliteBuilder

_LARGEST = 127

Store = Callable[[TfliteBuilder, str, Array, int], int]
"""(builder, name, float weights in TFLite's order, axis of the output channels) -> tensor."""


def _float32(builder: TfliteBuilder, name: str, values: Array, axis: int) -> int:
    return builder.constant(name, values.astype(np.float32))


def _float16(builder: TfliteBuilder, name: str, values: Array, axis: int) -> int:
    """Expanded when the file is loaded, so the arithmetic stays float."""
    stored = builder.constant(f"{name}/half", values.astype(np.float16))
    expanded = builder.tensor(name, values.shape)
    builder.operator("DEQUANTIZE", [stored], [expanded], "DequantizeOptions", version=3)
    return expanded


def _int8(builder: TfliteBuilder, name: str, values: Array, axis: int) -> int:
    """As `_float16`, with 8 bits."""
    stored = _rounded(builder, f"{name}/codes", values, axis)
    expanded = builder.tensor(name, values.shape)
    builder.operator("DEQUANTIZE", [stored], [expanded], "DequantizeOptions", version=5)
    return expanded


def _hybrid(builder: TfliteBuilder, name: str, values: Array, axis: int) -> int:
    """Dense kernels stay codes, and the runtime quantizes what they read, with ranges of the moment; depthwise ones,
    which are slower that way, are expanded."""
    return _rounded(builder, name, values, axis) if axis == 0 else _int8(builder, name, values, axis)


def _rounded(builder: TfliteBuilder, name: str, values: Array, axis: int) -> int:
    steps = weight_scales(np.moveaxis(values.astype(np.float64), axis, 0), _LARGEST)
    return int_constant(builder, name, values, steps, axis)


def int_constant(builder: TfliteBuilder, name: str, values: Array, steps: Array, axis: int) -> int:
    """Add int8 codes of weights with these steps per output channel."""
    shape = [1] * values.ndim
    shape[axis] = -1
    codes = np.clip(np.rint(values / np.reshape(steps, shape)), -_LARGEST, _LARGEST).astype(np.int8)
    return builder.constant(name, codes, [float(step) for step in steps], axis)


STORES: dict[str, Store] = {"float32": _float32, "float16": _float16, "int8": _int8, "hybrid": _hybrid}
