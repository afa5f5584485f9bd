"""Perceptual loss: images that a recognition network sees alike."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from ensharpen_edge.metrics.lpips_network import LpipsNetwork, load_lpips
from ensharpen_edge.training.losses.vgg_backbone import VggBackbone


class PerceptualLoss(nn.Module):
    """Distance of features, layer by layer.

    Without a file: LPIPS with the AlexNet that ships (Zhang et al. 2018). With one: the mean absolute difference of
    the user's VGG features (Johnson et al. 2016).

    Args:
        backbone: Safetensors file of a VGG, or None.

    Raises:
        BadInputError: Not such a file.
    """

    def __init__(self, backbone: Path | None = None) -> None:
        super().__init__()
        self.network: LpipsNetwork | VggBackbone = load_lpips() if backbone is None else VggBackbone(backbone)
        self.requires_grad_(False).eval()

    def forward(self, prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Mean distance of float (N, 3, H, W) pairs in [0, 1], at least 32 pixels a side."""
        if isinstance(self.network, LpipsNetwork):
            distance: Tensor = self.network(prediction, target)
        else:
            pairs = zip(self.network(prediction), self.network(target), strict=True)
            distance = torch.stack([(a - b).abs().mean(dim=(1, 2, 3)) for a, b in pairs]).sum(dim=0)
        return (distance if weight is None else distance * weight).mean()
