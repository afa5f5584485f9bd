"""Cross-layer equalisation: channels of an activation share one scale, so they are made equally large first.

Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction, 2019: a positive factor per
channel passes through ReLU and addition, so it can be moved from the convolutions that read a tensor to those that
write it without changing the network. Here the factors follow from what photographs do to each channel (as in
SmoothQuant, Xiao et al. 2023), and whole residual trunks are scaled alike, skips included.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensharpen_edge.arrays import F64
from ensharpen_edge.calibration.collect import Observer, PhotoInput
from ensharpen_edge.calibration.initializers import copy_graph, store, values_of
from ensharpen_edge.calibration.layers import attributes

Index = NDArray[np.int64]

STRENGTH = 0.75
"""0 leaves activations as they are, 1 makes their channels equal and ignores the weights that read them."""

_PINNED = 0
_SMALLEST = 1e-6


def channel_peaks(observer: Observer, inputs: Iterable[PhotoInput]) -> dict[str, F64]:
    """Return the largest magnitude of every channel of every tensor, (C,) each."""
    peaks: dict[str, F64] = {}
    for photo in inputs:
        for name, values in observer.tensors(photo.batch):
            peak = np.abs(values).max(axis=(0, 2, 3)).astype(np.float64)
            peaks[name] = np.maximum(peaks[name], peak) if name in peaks else peak
    return peaks


def find_scales(model: Any, peaks: Mapping[str, F64], strength: float = STRENGTH) -> dict[str, F64]:  # noqa: ANN401
    """Return the factors per channel of every tensor that may be scaled, (C,) each.

    Args:
        model: onnx.ModelProto. Its input, its output, and whatever an operator other than convolution, ReLU, addition
            and pixel shuffle touches, stay as they are.
        peaks: Result of `channel_peaks`.
        strength: See `STRENGTH`.
    """
    classes = _channel_classes(model, {name: len(peak) for name, peak in peaks.items()})
    count = 1 + max((int(labels.max()) for labels in classes.values()), default=0)
    activation, weight = np.zeros(count), np.zeros(count)
    for name, labels in classes.items():
        np.maximum.at(activation, labels, peaks[name])
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Conv" and attributes(node).get("group", 1) == 1:
            # A depthwise filter has a scale of its own whatever it reads; only these weights share one per output.
            values = np.abs(values_of(tensors[node.input[1]]))
            relative = values / np.maximum(values.max(axis=(1, 2, 3), keepdims=True), _SMALLEST)
            np.maximum.at(weight, classes[node.input[0]], relative.max(axis=(0, 2, 3)))
    factors = np.ones(count)
    for labels in classes.values():
        group = np.unique(labels)
        if group[0] == _PINNED:
            continue
        peak = np.maximum(activation[group], _SMALLEST * max(activation[group].max(), _SMALLEST))
        read = np.where(weight[group] > 0, np.maximum(weight[group], 1e-3), 1.0)
        wanted = read ** (1 - strength) / peak**strength
        factors[group] = wanted / np.exp(np.log(wanted).mean())
    return {name: factors[labels] for name, labels in classes.items() if labels.any()}


def equalised(model: Any, scales: Mapping[str, F64]) -> Any:  # noqa: ANN401
    """Return a copy of the graph that computes the same with scaled channels.

    Args:
        model: onnx.ModelProto.
        scales: Result of `find_scales`; tensors without an entry keep their scale.
    """
    copied, tensors = copy_graph(model)
    for node in copied.graph.node:
        if node.op_type != "Conv":
            continue
        weight = values_of(tensors[node.input[1]])
        written = scales.get(node.output[0], np.ones(len(weight)))
        weight = weight * written[:, None, None, None]
        if node.input[0] in scales:
            read = scales[node.input[0]]
            weight /= read[:, None, None, None] if attributes(node).get("group", 1) > 1 else read[None, :, None, None]
        store(tensors[node.input[1]], weight)
        if len(node.input) > 2:
            store(tensors[node.input[2]], values_of(tensors[node.input[2]]) * written)
    return copied


def _channel_classes(model: Any, channels: Mapping[str, int]) -> dict[str, Index]:  # noqa: ANN401
    """Return a label per channel of every tensor; channels of one label must be scaled alike, and label 0 not at all.

    Every operator between convolutions demands that some labels be equal; the smallest one is handed on until all
    demands are met.
    """
    labels: dict[str, Index] = {}
    start = 1
    for name, count in channels.items():
        labels[name] = np.arange(start, start + count)
        start += count
    for name in (model.graph.input[0].name, *(output.name for output in model.graph.output)):
        labels[name][:] = _PINNED
    changed = True
    while changed:
        changed = False
        for node in model.graph.node:
            if node.op_type not in ("Conv", "Constant"):
                changed |= _demand(node, labels)
    return labels


def _demand(node: Any, labels: dict[str, Index]) -> bool:  # noqa: ANN401
    """Make the labels around one operator equal; whether that changed any."""
    names = [name for name in (*node.input, *node.output) if name in labels]
    before = [labels[name].copy() for name in names]
    if node.op_type in ("Add", "Relu") and len({len(labels[name]) for name in names}) == 1:
        smallest = np.minimum.reduce([labels[name] for name in names])
        for name in names:
            labels[name][:] = smallest
    elif node.op_type == "DepthToSpace":
        _share_blocks(labels[node.input[0]], labels[node.output[0]], attributes(node))
    else:
        for name in names:
            labels[name][:] = _PINNED
    return any(not np.array_equal(old, labels[name]) for old, name in zip(before, names, strict=True))


def _share_blocks(deep: Index, wide: Index, options: dict[str, Any]) -> None:
    """Give the channels that a pixel shuffle interleaves into one the same label: they are scaled alike."""
    area = int(options["blocksize"]) ** 2
    depth_first = options.get("mode", b"DCR") == b"DCR"
    blocks = deep.reshape(area, -1) if depth_first else deep.reshape(-1, area).T
    smallest = np.minimum(blocks.min(axis=0), wide)
    blocks[:] = smallest
    wide[:] = smallest
