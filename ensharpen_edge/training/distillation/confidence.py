"""How far a teacher can be trusted with an image."""

from __future__ import annotations

import torch
from torch import Tensor


def removed_share(teacher: Tensor, degraded: Tensor, target: Tensor) -> Tensor:
    """(N,) share of the degradation's squared error that the teacher removed, clipped to [0, 1].

    1: the teacher's image is the truth. 0: it is no better than its input, and teaches nothing.

    Args:
        teacher, degraded, target: float (N, C, H, W).
    """
    left = (teacher - target).square().mean(dim=(1, 2, 3))
    before = (degraded - target).square().mean(dim=(1, 2, 3))
    return torch.where(before > 0, 1.0 - left / before.clamp(min=1e-12), 0.0).clamp(0.0, 1.0)
