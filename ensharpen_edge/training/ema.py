"""Exponential moving average of weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class WeightAverage:
    """Keeps `average = decay * average + (1 - decay) * weights`.

    The decay ramps up as `min(decay, (1 + n) / (10 + n))`, so early averages are not stuck at the initial weights.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.average = {name: value.detach().clone() for name, value in model.state_dict().items()}

    def update(self, model: nn.Module) -> None:
        """Take in the model's current weights."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        with torch.no_grad():
            for name, value in model.state_dict().items():
                self.average[name].lerp_(value, 1.0 - decay)

    def load(self, average: dict[str, Tensor], updates: int) -> None:
        """Continue from a checkpoint."""
        for name, value in average.items():
            self.average[name].copy_(value)
        self.updates = updates
