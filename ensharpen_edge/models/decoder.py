"""The EnSharpen decoder: from bottleneck features back to a sharpened image."""

from __future__ import annotations

from torch import Tensor, nn

from ensharpen_edge.models.blocks import residual_stack
from ensharpen_edge.models.config import UNSHUFFLE, StudentConfig


class Upsample(nn.Module):
    """1x1 convolution and PixelShuffle(2): (N, C, H, W) -> (N, D, 2H, 2W)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(in_channels, out_channels * 4, 1)
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.shuffle(self.expand(x))
        return y


class EnSharpenDecoder(nn.Module):
    """Two upsampling steps with additive skips, then a head that predicts the residual of the unshuffled image.

    Input: encoder features at 1/2, 1/4, 1/8. Output: float (N, 12, H/2, W/2), to be added to the unshuffled
    input. The head starts at zero: an untrained student returns its input.
    """

    def __init__(self, config: StudentConfig, out_channels: int = 3) -> None:
        super().__init__()
        w1, w2, w3 = config.widths
        _, _, _, d2, d1 = config.depths
        kind = {"branches": config.branches, "dense": config.dense}
        self.up2 = Upsample(w3, w2)
        self.level2 = residual_stack(w2, d2, config.expansion, **kind)
        self.up1 = Upsample(w2, w1)
        self.level1 = residual_stack(w1, d1, config.expansion, **kind)
        self.head = nn.Conv2d(w1, out_channels * UNSHUFFLE**2, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, half: Tensor, quarter: Tensor, eighth: Tensor) -> Tensor:
        x = self.level2(self.up2(eighth) + quarter)
        x = self.level1(self.up1(x) + half)
        y: Tensor = self.head(x)
        return y
