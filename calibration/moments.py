"""Mean and second moment of what each convolution reads: how much an error in each weight costs at its output."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ensharpen_edge.arrays import F32, F64
from ensharpen_edge.calibration.layers import Layer, attributes

PATCHES = 2048
"""Positions of a photograph that are looked at."""


@dataclass(frozen=True)
class Moments:
    """Moments of the patches that one convolution multiplies with its weights.

    Attributes:
        mean: (G, D): G = 1, D = channels x kernel area; for a depthwise convolution G = channels, D = kernel area.
        second: (G, D, D), uncentred.
    """

    mean: F64
    second: F64


@dataclass(frozen=True)
class _Window:
    layer: Layer
    kernel: tuple[int, int]
    stride: tuple[int, int]
    pads: tuple[int, int, int, int]


class MomentCollector:
    """Sums moments over photographs.

    Args:
        model: onnx.ModelProto.
        layers: Layers of the graph; additions are ignored. Convolutions are dense or depthwise.
    """

    def __init__(self, model: Any, layers: Sequence[Layer]) -> None:  # noqa: ANN401
        nodes = {node.name: node for node in model.graph.node}
        self._windows: dict[str, list[_Window]] = {}
        for layer in layers:
            if layer.weight:
                options = attributes(nodes[layer.nodes[0]])
                window = _Window(
                    layer,
                    tuple(options["kernel_shape"]),
                    tuple(options.get("strides", (1, 1))),
                    tuple(options.get("pads", (0, 0, 0, 0))),
                )
                self._windows.setdefault(layer.inputs[0], []).append(window)
        self._sums: dict[str, tuple[F64, F64]] = {}
        self._patches: dict[str, int] = {}

    def add(self, tensor: str, values: F32, photo: int) -> None:
        """Look at one tensor, float32 (1, C, H, W), of one photograph; its number and the layer's name say where."""
        for window in self._windows.get(tensor, ()):
            patches = _patches(values[0], window, [photo, zlib.crc32(window.layer.name.encode())])
            name, count = window.layer.name, patches.shape[1]
            second = patches.transpose(0, 2, 1) @ patches
            mean = patches.sum(axis=1)
            if name in self._sums:
                mean, second = mean + self._sums[name][0], second + self._sums[name][1]
            self._sums[name] = (mean, second)
            self._patches[name] = self._patches.get(name, 0) + count

    def freeze(self) -> dict[str, Moments]:
        """Return the moments by layer."""
        return {
            name: Moments(mean / self._patches[name], second / self._patches[name])
            for name, (mean, second) in self._sums.items()
        }


def _patches(image: F32, window: _Window, seed: Sequence[int]) -> F64:
    """Return (G, N, D) patches at random positions."""
    top, left, bottom, right = window.pads
    padded = np.pad(image, ((0, 0), (top, bottom), (left, right)))
    views = sliding_window_view(padded, window.kernel, axis=(1, 2))[:, :: window.stride[0], :: window.stride[1]]
    height, width = views.shape[1:3]
    chosen = np.random.default_rng(seed).integers(0, height * width, min(PATCHES, height * width))
    patches = views[:, chosen // width, chosen % width].reshape(len(image), len(chosen), -1).astype(np.float64)
    if window.layer.groups > 1:
        return patches
    return np.ascontiguousarray(patches.transpose(1, 0, 2).reshape(1, len(chosen), -1))
