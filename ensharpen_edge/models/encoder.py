"""Encoder and bottleneck of the students."""

from __future__ import annotations

from torch import Tensor, nn

from ensharpen_edge.models.blocks import residual_stack
from ensharpen_edge.models.config import UNSHUFFLE, StudentConfig


class Encoder(nn.Module):
    """Stem and three resolutions, each reached by a non-overlapping 2x2 stride-2 convolution.

    Input: the unshuffled image, float (N, 12, H/2, W/2).
    Output: features at 1/2, 1/4 and 1/8: (N, w1, H/2, W/2), (N, w2, H/4, W/4), (N, w3, H/8, W/8). The last one
    has passed the bottleneck.
    """

    def __init__(self, config: StudentConfig, in_channels: int = 3) -> None:
        super().__init__()
        w1, w2, w3 = config.widths
        e1, e2, middle, _, _ = config.depths
        kind = {"branches": config.branches, "dense": config.dense}
        self.stem = nn.Conv2d(in_channels * UNSHUFFLE**2, w1, 3, padding=1)
        self.level1 = residual_stack(w1, e1, config.expansion, **kind)
        self.down1 = nn.Conv2d(w1, w2, 2, stride=2)
        self.level2 = residual_stack(w2, e2, config.expansion, **kind)
        self.down2 = nn.Conv2d(w2, w3, 2, stride=2)
        self.bottleneck = residual_stack(w3, middle, config.expansion, **kind)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        half = self.level1(self.stem(x))
        quarter = self.level2(self.down1(half))
        eighth = self.bottleneck(self.down2(quarter))
        return half, quarter, eighth
