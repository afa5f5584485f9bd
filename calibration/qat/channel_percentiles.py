"""How large each channel of each tensor is, its rarest values aside: what equalisation makes alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ensharpen_edge.calibration.equalise import equalised, find_scales
from ensharpen_edge.calibration.qat.graph_module import GraphModule

F64 = NDArray[np.float64]


def channel_percentiles(network: GraphModule, batches: Iterable[Tensor], percentile: float) -> dict[str, F64]:
    """The percentile of the magnitudes in every channel of every tensor, (C,) each; the mean over the batches.

    Args:
        network: Float.
        batches: Inputs, float (N, 3, H, W).
        percentile: In per cent.
    """
    found: dict[str, list[F64]] = {}

    def watch(name: str, values: Tensor) -> None:
        magnitudes = values.abs().transpose(0, 1).reshape(values.shape[1], -1)
        rank = min(magnitudes.shape[1], 1 + int(magnitudes.shape[1] * percentile / 100.0))
        found.setdefault(name, []).append(magnitudes.kthvalue(rank, dim=1).values.cpu().double().numpy())

    with torch.inference_mode():
        for batch in batches:
            network(batch, watch)
    return {name: np.mean(peaks, axis=0) for name, peaks in found.items()}


def equalised_by_percentile(
    model: Any,  # noqa: ANN401 (onnx.ModelProto)
    network: GraphModule,
    batches: Sequence[Tensor],
    percentile: float,
    strength: float,
) -> Any:  # noqa: ANN401
    """A copy of the graph that computes the same with channels made alike; see `equalise`.

    Args:
        model: Float graph.
        network: The same as a module, in evaluation mode.
        batches: Inputs, float (N, 3, H, W).
        percentile: See `channel_percentiles`.
        strength: See `equalise.STRENGTH`.
    """
    return equalised(model, find_scales(model, channel_percentiles(network, batches, percentile), strength))
