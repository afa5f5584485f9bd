"""Weights on the grid of their codes, rounded so that the layer's output changes least.

Rounding every weight to its nearest code is not best for the sum that a convolution computes. Three ways, each a line
in `ROUNDINGS`:

- `nearest`;
- `bias`: nearest, and the mean error that is left goes into the bias (Nagel et al. 2019);
- `moments`: one weight after another, each error handed on to the weights that are not rounded yet in proportion to how
  their inputs vary together (Frantar et al., GPTQ, 2023, after Hassibi and Stork 1993), and then the bias. It has the
  aim of AdaRound (Nagel et al. 2020), the smallest output error, without a training loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ensharpen_edge.arrays import F64
from ensharpen_edge.calibration.initializers import copy_graph, store, values_of
from ensharpen_edge.calibration.layers import Layer
from ensharpen_edge.calibration.moments import Moments
from ensharpen_edge.errors import unknown_name

_DAMPING = 0.01
"""Share of the mean second moment that is added to the diagonal, as in GPTQ."""


def weight_scales(weight: F64, largest_code: int) -> F64:
    """Return the (O,) symmetric steps of the output channels of (O, I, kH, kW) weights; 1 where all are zero."""
    peak = np.abs(weight).max(axis=(1, 2, 3))
    return np.where(peak > 0, peak, float(largest_code)) / largest_code


def _nearest(rows: F64, scales: F64, largest_code: int) -> F64:
    codes = np.clip(np.rint(rows / scales[:, None]), -largest_code, largest_code)
    return np.asarray(codes * scales[:, None])


def _by_moments(rows: F64, scales: F64, second: F64, largest_code: int) -> F64:
    """Return the (O, D) rows, rounded together under the (D, D) second moment of what they are multiplied with."""
    size = len(second)
    damped = second + np.eye(size) * (_DAMPING * np.trace(second) / size + 1e-12)
    order = np.argsort(-np.diag(damped))
    upper = np.linalg.cholesky(np.linalg.inv(damped[np.ix_(order, order)])).T
    left, rounded = rows[:, order].copy(), np.empty_like(rows)
    for column in range(size):
        chosen = _nearest(left[:, column : column + 1], scales, largest_code)[:, 0]
        rounded[:, order[column]] = chosen
        error = (left[:, column] - chosen) / upper[column, column]
        left[:, column + 1 :] -= error[:, None] * upper[column, column + 1 :]
    return rounded


def _round_nearest(rows: F64, scales: F64, moments: Moments, largest_code: int) -> tuple[F64, F64]:
    return _nearest(rows, scales, largest_code), np.zeros(len(rows))


def _round_bias(rows: F64, scales: F64, moments: Moments, largest_code: int) -> tuple[F64, F64]:
    rounded = _nearest(rows, scales, largest_code)
    return rounded, _bias_shift(rows - rounded, moments)


def _round_moments(rows: F64, scales: F64, moments: Moments, largest_code: int) -> tuple[F64, F64]:
    if len(moments.second) == 1:
        rounded = _by_moments(rows, scales, moments.second[0], largest_code)
    else:
        rounded = np.concatenate(
            [_by_moments(rows[i : i + 1], scales[i : i + 1], moments.second[i], largest_code) for i in range(len(rows))]
        )
    return rounded, _bias_shift(rows - rounded, moments)


def _bias_shift(error: F64, moments: Moments) -> F64:
    """Return the (O,) mean of what the weights' error takes from the output."""
    return np.asarray((error * moments.mean).sum(axis=1))


Rounding = Callable[[F64, F64, Moments, int], tuple[F64, F64]]

ROUNDINGS: dict[str, Rounding] = {"nearest": _round_nearest, "bias": _round_bias, "moments": _round_moments}


def rounded_weights(
    model: Any,  # noqa: ANN401 (onnx.ModelProto)
    layers: Sequence[Layer],
    moments: dict[str, Moments],
    largest_code: int,
    rounding: str = "moments",
) -> tuple[Any, dict[str, F64]]:
    """Return a float copy of the graph whose convolutions hold weights that codes can hold exactly.

    Args:
        model: onnx.ModelProto.
        layers: The layers to round; additions are ignored.
        moments: Moments of the layers' inputs, by layer.
        largest_code: 127, or 64 for kernels that add two products in 16 bits.
        rounding: Name in `ROUNDINGS`.

    Returns:
        The copy, and the (O,) steps of every rounded weight, by initializer.

    Raises:
        UsageError: Unknown rounding.
    """
    if rounding not in ROUNDINGS:
        raise unknown_name("rounding", rounding, ROUNDINGS)
    copied, tensors = copy_graph(model)
    steps: dict[str, F64] = {}
    for layer in layers:
        if layer.weight is None:
            continue
        weight = values_of(tensors[layer.weight])
        scales = weight_scales(weight, largest_code).astype(np.float32).astype(np.float64)
        rows, shift = ROUNDINGS[rounding](weight.reshape(len(weight), -1), scales, moments[layer.name], largest_code)
        store(tensors[layer.weight], rows.reshape(weight.shape))
        if layer.bias:
            store(tensors[layer.bias], values_of(tensors[layer.bias]) + shift)
        steps[layer.weight] = scales
    return copied, steps
