"""MIMO-UNet, 6.81 M parameters.

Cho et al.: Rethinking coarse-to-fine approach in single image deblurring, ICCV 2021.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def _convolution(inputs: int, outputs: int, kernel: int, relu: bool = True, stride: int = 1) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)]
    return nn.Sequential(*layers, *([nn.ReLU()] if relu else []))


def _upward(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), nn.ReLU())


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_convolution(channels, channels, 3), _convolution(channels, channels, 3, relu=False))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.body(x)
        return result


class _ShallowBranch(nn.Module):
    """Features of a smaller version of the image, the image itself among them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        quarter, half = channels // 4, channels // 2
        self.body = nn.Sequential(
            _convolution(3, quarter, 3),
            _convolution(quarter, half, 1),
            _convolution(half, half, 3),
            _convolution(half, channels - 3, 1),
        )
        self.mix = _convolution(channels, channels, 1, relu=False)

    def forward(self, image: Tensor) -> Tensor:
        result: Tensor = self.mix(torch.cat((image, self.body(image)), 1))
        return result


class MimoUnet(nn.Module):
    """Sides must be multiples of 4.

    Args:
        width: Channels at full resolution.
        residuals: Blocks of each of the six stages: 8, or 20 in MIMO-UNet+.
    """

    def __init__(self, width: int = 32, residuals: int = 8) -> None:
        super().__init__()
        c1, c2, c4 = width, 2 * width, 4 * width
        self.encoders = nn.ModuleList(_stage(c, residuals) for c in (c1, c2, c4))
        self.decoders = nn.ModuleList(_stage(c, residuals) for c in (c4, c2, c1))
        self.downs = nn.ModuleList([_convolution(3, c1, 3), _convolution(c1, c2, 3, stride=2)])
        self.downs.append(_convolution(c2, c4, 3, stride=2))
        self.ups = nn.ModuleList([_upward(c4, c2), _upward(c2, c1)])
        self.joins = nn.ModuleList([_convolution(c4, c2, 1), _convolution(c2, c1, 1)])
        self.outputs = nn.ModuleList(_convolution(c, 3, 3, relu=False) for c in (c4, c2, c1))
        self.branches = nn.ModuleList([_ShallowBranch(c2), _ShallowBranch(c4)])
        self.merges = nn.ModuleList([_convolution(c, c, 3, relu=False) for c in (c2, c4)])
        self.fusions = nn.ModuleList(
            nn.Sequential(_convolution(c1 + c2 + c4, c, 1), _convolution(c, c, 3, relu=False)) for c in (c1, c2)
        )

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, 3, H, W) -> a quarter, half, and all of its size."""
        half = functional.interpolate(image, scale_factor=0.5)
        quarter = functional.interpolate(half, scale_factor=0.5)
        x1 = self.encoders[0](self.downs[0](image))
        x2 = self.encoders[1](self._attend(0, self.downs[1](x1), half))
        x4 = self.encoders[2](self._attend(1, self.downs[2](x2), quarter))
        x4_at_2 = functional.interpolate(x4, scale_factor=2.0)
        parts1 = (x1, functional.interpolate(x2, scale_factor=2.0), functional.interpolate(x4_at_2, scale_factor=2.0))
        parts2 = (functional.interpolate(x1, scale_factor=0.5), x2, x4_at_2)
        y4 = self.decoders[0](x4)
        y2 = torch.cat((self.ups[0](y4), self.fusions[1](torch.cat(parts2, 1))), 1)
        y2 = self.decoders[1](self.joins[0](y2))
        y1 = torch.cat((self.ups[1](y2), self.fusions[0](torch.cat(parts1, 1))), 1)
        y1 = self.decoders[2](self.joins[1](y1))
        return self.outputs[0](y4) + quarter, self.outputs[1](y2) + half, self.outputs[2](y1) + image

    def _attend(self, level: int, x: Tensor, smaller: Tensor) -> Tensor:
        result: Tensor = x + self.merges[level](x * self.branches[level](smaller))
        return result


def _stage(channels: int, residuals: int) -> nn.Sequential:
    return nn.Sequential(*(_Residual(channels) for _ in range(residuals)))
