"""How the decoder doubles the resolution."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ensharpen_edge.models.config import Upsampling


class ShuffleUpsample(nn.Module):
    """1x1 convolution and PixelShuffle(2): (N, C, H, W) -> (N, D, 2H, 2W)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(in_channels, out_channels * 4, 1)
        self.shuffle: nn.Module = nn.PixelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.shuffle(self.expand(x))
        return y


class InterpolatedUpsample(nn.Module):
    """1x1 convolution, then nearest or bilinear interpolation: (N, C, H, W) -> (N, D, 2H, 2W)."""

    def __init__(self, in_channels: int, out_channels: int, mode: str) -> None:
        super().__init__()
        self.expand = nn.Conv2d(in_channels, out_channels, 1)
        self.mode = mode

    def forward(self, x: Tensor) -> Tensor:
        corners = False if self.mode == "bilinear" else None
        return F.interpolate(self.expand(x), scale_factor=2, mode=self.mode, align_corners=corners)


def upsample(kind: Upsampling, in_channels: int, out_channels: int) -> nn.Module:
    """Return a layer (N, C, H, W) -> (N, D, 2H, 2W)."""
    if kind == "pixelshuffle":
        return ShuffleUpsample(in_channels, out_channels)
    if kind == "transposed":
        return nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
    return InterpolatedUpsample(in_channels, out_channels, kind)
