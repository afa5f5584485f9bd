"""Losses that compare pixel by pixel. All take float (N, C, H, W) pairs; `weight` (N,) scales images, default 1."""

from __future__ import annotations

import torch
from torch import Tensor


def mean_over_images(values: Tensor, weight: Tensor | None) -> Tensor:
    """Return the mean of (N, ...), or the mean of the images' own means, each times its weight."""
    if weight is None:
        return values.mean()
    return (values.flatten(1).mean(dim=1) * weight).mean()


def l1(prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the mean absolute difference."""
    return mean_over_images((prediction - target).abs(), weight)


def l2(prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the mean squared difference."""
    return mean_over_images((prediction - target) ** 2, weight)


def charbonnier(prediction: Tensor, target: Tensor, weight: Tensor | None = None, epsilon: float = 1e-3) -> Tensor:
    """Return the mean of `sqrt((p - t)^2 + epsilon^2)`: L1 with a smooth bottom (Charbonnier et al. 1994)."""
    return mean_over_images(torch.sqrt((prediction - target) ** 2 + epsilon * epsilon), weight)
