"""Training losses."""

from __future__ import annotations

import torch
from torch import Tensor


def charbonnier(prediction: Tensor, target: Tensor, epsilon: float = 1e-3) -> Tensor:
    """Mean of `sqrt((p - t)^2 + epsilon^2)`: L1 with a smooth bottom (Charbonnier et al. 1994)."""
    return torch.sqrt((prediction - target) ** 2 + epsilon * epsilon).mean()
