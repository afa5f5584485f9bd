"""Estimator of the degradation: blur and noise at each position, which modulate the bottleneck."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

BLUR_UNIT, NOISE_UNIT = 3.0, 10.0 / 255.0
"""An estimate of 1.0 means this: a blur of 3 pixels standard deviation, noise of 10 code values."""


class DegradationEstimator(nn.Module):
    """Estimates blur and noise from bottleneck features, and scales the features by a function of the estimate.

    A map, not one number for the frame, so that tiles stay exact and a photograph may be soft in one corner only.
    The modulation starts as the identity.

    Input: float (N, C, H, W). Output: the modulated features, and the estimates (N, 2, H, W): blur in units of
    `BLUR_UNIT`, noise in units of `NOISE_UNIT`.
    """

    def __init__(self, channels: int, hidden: int = 16) -> None:
        super().__init__()
        self.look = nn.Conv2d(channels, hidden, 3, padding=1)
        self.estimate = nn.Conv2d(hidden, 2, 1)
        self.modulate = nn.Conv2d(2, channels, 1)
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        estimate: Tensor = self.estimate(F.relu(self.look(x)))
        return x + x * self.modulate(estimate), estimate
