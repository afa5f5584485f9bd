"""Validation on held-out photographs: against the truth, and against the float parent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ensharpen_edge.judging.scores import truth_psnr
from ensharpen_edge.training.validation import TOGETHER, ValidationSet

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class QatScore:
    """Mean PSNR (dB, RGB).

    Attributes:
        before: PSNR of the degraded input, against the truth.
        parent: PSNR of the float parent's output, against the truth.
        after: PSNR of the network's output, against the truth.
        agreement: PSNR of the network's output, against the parent's.
        cases: `before`, `parent` and `after` by degradation.
    """

    before: float
    parent: float
    after: float
    agreement: float
    cases: dict[str, tuple[float, float, float]]

    @property
    def drop(self) -> float:
        """How much worse than its parent the network is; below 0 where it is better."""
        return self.parent - self.after


def outputs_of(network: nn.Module, data: ValidationSet) -> F32:
    """Return a network's outputs, float32 (N, 3, S, S) in [0, 1]; it is left in the mode it was in."""
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        parts = [network(some.to(device)).clamp(0.0, 1.0).cpu() for some in torch.split(data.degraded, TOGETHER)]
    network.train(was_training)
    return np.asarray(torch.cat(parts).numpy(), dtype=np.float32)


def validate_quantized(network: nn.Module, parent: F32, data: ValidationSet) -> QatScore:
    """Score a network.

    Args:
        network: Quantized.
        parent: The float parent's outputs; see `outputs_of`.
        data: Held-out pairs.
    """
    output = outputs_of(network, data)
    degraded, sharp = data.degraded.clamp(0.0, 1.0).numpy(), data.sharp.numpy()
    rows = np.array(
        [
            [truth_psnr(image, truth) for image in images] + [truth_psnr(images[2], images[1])]
            for truth, *images in zip(sharp, degraded, parent, output, strict=True)
        ]
    )
    names = np.array(data.cases)
    cases = {name: rows[names == name].mean(axis=0) for name in dict.fromkeys(data.cases)}
    before, of_parent, after, agreement = (float(value) for value in rows.mean(axis=0))
    by_case = {name: (float(means[0]), float(means[1]), float(means[2])) for name, means in cases.items()}
    return QatScore(before, of_parent, after, agreement, by_case)
