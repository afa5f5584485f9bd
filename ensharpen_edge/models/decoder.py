"""The EnSharpen decoder: from bottleneck features back to images."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from ensharpen_edge.models.blocks import ResidualStack
from ensharpen_edge.models.config import HEAD_SCALES, UNSHUFFLE, StudentConfig
from ensharpen_edge.models.upsampling import upsample

COLOURS = 3


def _zero_head(in_channels: int, out_channels: int) -> nn.Conv2d:
    """Return 3x3 convolution that starts at zero: an untrained student returns its input."""
    head = nn.Conv2d(in_channels, out_channels, 3, padding=1)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)  # type: ignore[arg-type]
    return head


@dataclass(frozen=True)
class Residuals:
    """Output of the decoder, which is added to the image.

    Attributes:
        heads: Blocks of pixels as channels, by task: float (N, 12 s^2, H/2, W/2) for a task that enlarges by s.
        auxiliary: Residuals of the image made smaller by 4 and by 2, by that factor: float (N, 3, H/4, W/4) and
            (N, 3, H/2, W/2). Empty outside training, and for a network without `multiscale`.
    """

    heads: dict[str, Tensor]
    auxiliary: dict[int, Tensor]


class AuxiliaryHead(nn.Module):
    """A residual image at twice the features' resolution, for deep supervision."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.head = _zero_head(channels, COLOURS * 4)
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.shuffle(self.head(x))
        return y


class EnSharpenDecoder(nn.Module):
    """Two upsampling steps with additive skips, then a head per task that predicts a residual.

    Input: encoder features at 1/2, 1/4, 1/8.
    """

    def __init__(self, config: StudentConfig) -> None:
        super().__init__()
        w1, w2, w3 = config.widths
        _, _, _, d2, d1 = config.depths
        kind = {"branches": config.branches, "dense": config.dense}
        self.up2 = upsample(config.upsampling, w3, w2)
        self.level2 = ResidualStack(w2, d2, config.expansion, **kind)
        self.up1 = upsample(config.upsampling, w2, w1)
        self.level1 = ResidualStack(w1, d1, config.expansion, **kind)
        self.heads = nn.ModuleDict(
            {name: _zero_head(w1, COLOURS * (UNSHUFFLE * HEAD_SCALES[name]) ** 2) for name in config.heads}
        )
        widths = {"4": w3, "2": w2} if config.multiscale else {}
        self.auxiliary = nn.ModuleDict({factor: AuxiliaryHead(width) for factor, width in widths.items()})

    def forward(self, half: Tensor, quarter: Tensor, eighth: Tensor) -> Residuals:
        x2 = self.level2(self.up2(eighth) + quarter)
        x1 = self.level1(self.up1(x2) + half)
        sources = {"4": eighth, "2": x2}
        auxiliary = self.auxiliary.items() if self.training else ()
        return Residuals(
            {name: head(x1) for name, head in self.heads.items()},
            {int(factor): head(sources[factor]) for factor, head in auxiliary},
        )
