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
            values = model.state_dict()
            # All tensors in one call: on a GPU, hundreds of small ones would cost more than the step's arithmetic.
            torch._foreach_lerp_([self.average[name] for name in values], list(values.values()), 1.0 - decay)

    def load(self, average: dict[str, Tensor], updates: int) -> None:
        """Continue from a checkpoint."""
        for name, value in average.items():
            self.average[name].copy_(value)
        self.updates = updates
