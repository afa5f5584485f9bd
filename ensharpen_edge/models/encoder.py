"""Encoder and bottleneck of the students."""

from __future__ import annotations

from torch import Tensor, nn

from ensharpen_edge.models.attention import WindowAttention, attention
from ensharpen_edge.models.blocks import ResidualStack
from ensharpen_edge.models.config import UNSHUFFLE, StudentConfig
from ensharpen_edge.models.estimator import DegradationEstimator


class Encoder(nn.Module):
    """Stem and three resolutions, each reached by a non-overlapping 2x2 stride-2 convolution.

    Input: the unshuffled image, float (N, 12, H/2, W/2).
    Output: features at 1/2, 1/4 and 1/8: (N, w1, H/2, W/2), (N, w2, H/4, W/4), (N, w3, H/8, W/8), and the
    estimated degradation (N, 2, H/8, W/8), or None. The features at 1/8 have passed the bottleneck: residual blocks,
    then self-attention, gate and estimator where the configuration has them.
    """

    def __init__(self, config: StudentConfig, in_channels: int = 3) -> None:
        super().__init__()
        w1, w2, w3 = config.widths
        e1, e2, middle, _, _ = config.depths
        kind = {"branches": config.branches, "dense": config.dense}
        self.stem = nn.Conv2d(in_channels * UNSHUFFLE**2, w1, 3, padding=1)
        self.level1 = ResidualStack(w1, e1, config.expansion, **kind)
        self.down1 = nn.Conv2d(w1, w2, 2, stride=2)
        self.level2 = ResidualStack(w2, e2, config.expansion, **kind)
        self.down2 = nn.Conv2d(w2, w3, 2, stride=2)
        self.bottleneck = ResidualStack(w3, middle, config.expansion, **kind)
        self.windows = nn.Sequential(*(WindowAttention(w3) for _ in range(config.windows)))
        self.gate = attention(config.attention, w3)
        self.estimator = DegradationEstimator(w3) if config.estimator else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        half = self.level1(self.stem(x))
        quarter = self.level2(self.down1(half))
        eighth = self.gate(self.windows(self.bottleneck(self.down2(quarter))))
        if self.estimator is None:
            return half, quarter, eighth, None
        eighth, estimate = self.estimator(eighth)
        return half, quarter, eighth, estimate
