"""RT-Focuser, Wu et al.: A real-time lightweight model for edge-side image deblurring, arXiv 2512.21975; 5.85 M
parameters. Batch norms are left out: a converter folds them into the convolutions before them, or into scales."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class _Mixer(nn.Module):
    """Depthwise filter and a fixed sharpening filter beside it, then two pointwise convolutions."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.filter = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        self.sharpen = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.body = nn.Sequential(
            nn.Conv2d(channels, 4 * channels, 1), nn.GELU(), nn.Conv2d(4 * channels, channels, 1), nn.GELU()
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.body(functional.gelu(self.filter(x)) + x + self.sharpen(x))
        return result


def _plain(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU())


def _wide(inputs: int, outputs: int, groups: int) -> list[nn.Module]:
    middle = inputs if groups > 1 else outputs
    return [
        nn.Conv2d(inputs, middle, 3, padding=1, groups=groups),
        nn.GELU(),
        nn.Conv2d(middle, 4 * outputs, 1),
        nn.GELU(),
        nn.Conv2d(4 * outputs, outputs, 1),
        nn.GELU(),
    ]


class _Aggregation(nn.Module):
    """Features of four levels at one resolution, weighed by channel."""

    def __init__(self, inputs: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(nn.Conv2d(c, outputs, 1), nn.ReLU()) for c in inputs)
        self.fusion = _plain(len(inputs) * outputs, outputs)
        self.attention = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(outputs, outputs // 4, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(outputs // 4, outputs, 1, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        parts = [branch(x) for branch, x in zip(self.branches, features, strict=True)]
        fused = self.fusion(torch.cat(parts, 1))
        result: Tensor = fused * self.attention(fused)
        return result


class RtFocuser(nn.Module):
    """Sides must be multiples of 16.

    Args:
        widths: Channels of the five levels.
        depths: Mixers of each.
        kernels: Sides of their depthwise filters.
    """

    def __init__(
        self,
        widths: tuple[int, ...] = (16, 32, 128, 160, 256),
        depths: tuple[int, ...] = (3, 4, 4, 3, 2),
        kernels: tuple[int, ...] = (3, 3, 7, 7, 7),
    ) -> None:
        super().__init__()
        self.first, self.last = _plain(3, widths[0]), nn.Conv2d(widths[0], 3, 1)
        sources = (widths[0], *widths[:-1])
        self.encoders = nn.ModuleList(
            nn.Sequential(*(_Mixer(c, kernel) for _ in range(depth)), _plain(c, out))
            for c, out, depth, kernel in zip(sources, widths, depths, kernels, strict=True)
        )
        self.aggregations = nn.ModuleList(_Aggregation(widths[:4], c) for c in widths[:4])
        pairs = list(zip(widths[1:], widths[:-1], strict=True))
        self.ups = nn.ModuleList(_plain(c, out) for c, out in pairs)
        self.fusions = nn.ModuleList(nn.Sequential(*_wide(2 * out, out, groups=2)) for _, out in pairs)
        self.refines = nn.ModuleList(nn.Sequential(*_wide(out + 3, out, groups=1)) for _, out in pairs)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) -> the same."""
        images = [functional.interpolate(image, scale_factor=0.5**level) if level else image for level in range(4)]
        features, x = [], self.first(image)
        for level, encoder in enumerate(self.encoders):
            x = encoder(functional.max_pool2d(x, 2) if level else x)
            features.append(x)
        for level in (3, 2, 1, 0):
            scaled = [
                f if i == level else functional.interpolate(f, scale_factor=2.0 ** (i - level))
                for i, f in enumerate(features[:4])
            ]
            up = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            joined = torch.cat((self.aggregations[level](scaled), self.ups[level](up)), 1)
            x = self.refines[level](torch.cat((self.fusions[level](joined), images[level]), 1))
        result: Tensor = torch.sigmoid(self.last(x) + image)
        return result
