"""Losses on edges: differences of derivatives."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ensharpen_edge.models.blocks import LAPLACIAN, SOBEL_X
from ensharpen_edge.training.losses.pixel import mean_over_images


def _filtered(images: Tensor, kernels: Tensor) -> Tensor:
    """Filter each channel of (N, C, H, W) with each (K, 3, 3) kernel, inner pixels only."""
    planes = images.flatten(0, 1)[:, None]
    filtered = F.conv2d(planes, kernels[:, None].to(images))
    return filtered.reshape(images.shape[0], -1)


def sobel(prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the mean difference of the horizontal and vertical Sobel derivatives, scaled to a slope per pixel."""
    kernel = torch.tensor(SOBEL_X) / 8.0
    return mean_over_images(_filtered(prediction - target, torch.stack([kernel, kernel.t()])).abs(), weight)


def laplacian(prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the mean absolute difference of the 4-neighbour Laplacians, scaled by 1/4."""
    kernel = torch.tensor(LAPLACIAN) / 4.0
    return mean_over_images(_filtered(prediction - target, kernel[None]).abs(), weight)
