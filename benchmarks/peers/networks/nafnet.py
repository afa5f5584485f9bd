"""NAFNet, Chen et al.: Simple baselines for image restoration, ECCV 2022.

Width 16 with 28 blocks at the lowest level is the baseline of the AIM 2025 challenge on efficient deblurring, 4.35 M
parameters.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class _ChannelNorm(nn.Module):
    """Layer normalisation over the channels of every pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.offset = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(1, keepdim=True)
        variance = (centred * centred).mean(1, keepdim=True)
        result: Tensor = centred / torch.sqrt(variance + 1e-6) * self.gain + self.offset
        return result


def _gate(x: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=1)
    return first * second


class _Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = 2 * channels
        self.norms = nn.ModuleList([_ChannelNorm(channels), _ChannelNorm(channels)])
        self.spread = nn.Sequential(nn.Conv2d(channels, wide, 1), nn.Conv2d(wide, wide, 3, padding=1, groups=wide))
        self.attention = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, 1))
        self.mix = nn.Conv2d(channels, channels, 1)
        self.expand, self.contract = nn.Conv2d(channels, wide, 1), nn.Conv2d(channels, channels, 1)
        self.scales = nn.ParameterList([nn.Parameter(torch.full((1, channels, 1, 1), 0.1)) for _ in range(2)])

    def forward(self, x: Tensor) -> Tensor:
        inner = _gate(self.spread(self.norms[0](x)))
        x = x + self.scales[0] * self.mix(inner * self.attention(inner))
        result: Tensor = x + self.scales[1] * self.contract(_gate(self.expand(self.norms[1](x))))
        return result


class NafNet(nn.Module):
    """Sides must be multiples of 16.

    Args:
        width: Channels at full resolution; they double at each of four levels.
        encoder, middle, decoder: Blocks of each level.
    """

    def __init__(
        self,
        width: int = 16,
        encoder: tuple[int, ...] = (1, 1, 1, 28),
        middle: int = 1,
        decoder: tuple[int, ...] = (1, 1, 1, 1),
    ) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(len(encoder) + 1)]
        self.first, self.last = nn.Conv2d(3, width, 3, padding=1), nn.Conv2d(width, 3, 3, padding=1)
        self.encoders = nn.ModuleList(_blocks(c, n) for c, n in zip(widths[:-1], encoder, strict=True))
        self.downs = nn.ModuleList(nn.Conv2d(c, 2 * c, 2, 2) for c in widths[:-1])
        self.middle = _blocks(widths[-1], middle)
        self.ups = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, 2 * c, 1, bias=False), nn.PixelShuffle(2)) for c in reversed(widths[1:])
        )
        self.decoders = nn.ModuleList(_blocks(c, n) for c, n in zip(reversed(widths[:-1]), decoder, strict=True))

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) -> the same."""
        x, skips = self.first(image), []
        for blocks, down in zip(self.encoders, self.downs, strict=True):
            x = blocks(x)
            skips.append(x)
            x = down(x)
        x = self.middle(x)
        for blocks, up, skip in zip(self.decoders, self.ups, reversed(skips), strict=True):
            x = blocks(up(x) + skip)
        result: Tensor = self.last(x) + image
        return result


def _blocks(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(_Block(channels) for _ in range(count)))
