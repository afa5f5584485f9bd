"""The quantizer of a network that was trained in 8 bits: every number is the checkpoint's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from ensharpen_edge.arrays import F64
from ensharpen_edge.calibration.image_ends import IMAGE_RANGE, image_tensors
from ensharpen_edge.calibration.initializers import copy_graph, store
from ensharpen_edge.calibration.layers import Layer
from ensharpen_edge.calibration.qat.checkpoint import ActivationCodes, QuantizedCheckpoint
from ensharpen_edge.calibration.quantizer import GraphQuantizer
from ensharpen_edge.calibration.ranges import Range
from ensharpen_edge.calibration.schemes import QuantizationScheme

_LARGEST_WEIGHT = 127
_PASSING = ("SpaceToDepth", "DepthToSpace")
"""Operators that move numbers and change none."""


class TrainedQuantizer(GraphQuantizer):
    """A float graph with the codes and steps of a quantized checkpoint.

    Its `model` computes with the checkpoint's weights, which lie on their grids, and rounds nothing.

    Args:
        model: onnx.ModelProto, the float graph that the checkpoint was trained from.
        checkpoint: The numbers.
        scheme: The target's scheme; only weights of up to 127 and the steps of the checkpoint are new in it.
    """

    def __init__(self, model: Any, checkpoint: QuantizedCheckpoint, scheme: QuantizationScheme) -> None:  # noqa: ANN401
        super().__init__(_with_numbers(model, checkpoint), replace(scheme, largest_weight=_LARGEST_WEIGHT))
        self.checkpoint = checkpoint
        self.layers = tuple(
            layer for layer in self.layers if layer.weight is None or layer.weight in checkpoint.weights
        )

    @cached_property
    def ranges(self) -> dict[str, Range]:
        """See `GraphQuantizer.ranges`: ends of all codes, so that every target finds the checkpoint's step and zero."""
        symmetric = self.scheme.activations.symmetric
        graph, sites = self.model.graph, self.checkpoint.sites
        writers = {output: node for node in graph.node for output in node.output}
        sources = {name: _source(name, writers) for name in writers}
        found = {name: _range(sites[source], symmetric) for name, source in sources.items() if source in sites}
        return {**found, **dict.fromkeys(image_tensors(self.model), IMAGE_RANGE)}

    def rounded(self, layers: Sequence[Layer]) -> tuple[Any, Mapping[str, F64]]:
        """See `GraphQuantizer.rounded`."""
        weights = self.checkpoint.weights
        chosen = [layer.weight for layer in layers if layer.weight]
        return copy_graph(self.model)[0], {name: weights[name].steps.astype(np.float64) for name in chosen}


def _with_numbers(model: Any, checkpoint: QuantizedCheckpoint) -> Any:  # noqa: ANN401
    copied, tensors = copy_graph(model)
    for name, weight in checkpoint.weights.items():
        store(tensors[name], weight.values.astype(np.float64))
    for name, values in checkpoint.floats.items():
        store(tensors[name], values.astype(np.float64))
    return copied


def _range(codes: ActivationCodes, symmetric: bool) -> Range:
    """The values of the lowest and the highest code, whether or not the tensor reaches them; symmetric targets have 255
    codes."""
    lowest = -127 if symmetric else -128
    return Range((lowest - codes.zero_point) * codes.step, (127 - codes.zero_point) * codes.step)


def _source(name: str, writers: Mapping[str, Any]) -> str:
    while name in writers and writers[name].op_type in _PASSING:
        name = writers[name].input[0]
    return name
