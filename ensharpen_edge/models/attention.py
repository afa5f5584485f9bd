"""Gates and self-attention for the bottleneck."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ensharpen_edge.models.config import WINDOW, Attention

_REDUCTION = 4


def _squeeze(channels: int) -> nn.Sequential:
    """Return two 1x1 convolutions through a quarter of the channels."""
    hidden = max(4, channels // _REDUCTION)
    return nn.Sequential(nn.Conv2d(channels, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, channels, 1))


class ChannelAttention(nn.Module):
    """`x * sigmoid(squeeze(global mean))` (Hu et al. 2018).

    The mean runs over the whole frame, so a tile sees another one: not exact under tiling.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = _squeeze(channels)

    def forward(self, x: Tensor) -> Tensor:
        gate: Tensor = torch.sigmoid(self.squeeze(F.adaptive_avg_pool2d(x, 1)))
        return x * gate


class SpatialAttention(nn.Module):
    """`x * sigmoid(map)`, one map for all channels from a 1x1 and a 3x3 convolution (after Woo et al. 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(4, channels // _REDUCTION)
        self.map = nn.Sequential(nn.Conv2d(channels, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, 1, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.map(x))


class BlockAttention(nn.Module):
    """Channel attention with the mean of each aligned 8x8 block instead of the frame's.

    Exact under tiling when tile origins are multiples of the block. Sides must be multiples of `WINDOW`.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = _squeeze(channels)

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.squeeze(F.avg_pool2d(x, WINDOW)))
        return x * F.interpolate(gate, scale_factor=WINDOW, mode="nearest")


class WindowAttention(nn.Module):
    """Multi-head self-attention within aligned 8x8 windows, with a learnt bias per offset, added to its input.

    After Liu et al., Swin Transformer, 2021, without shifting, normalisation or a feed-forward part. The projection
    starts at zero, so the layer starts as the identity. Sides must be multiples of `WINDOW`.

    Input and output: float (N, C, H, W), C a multiple of 4.
    """

    heads = 4

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.project = nn.Conv2d(channels, channels, 1)
        self.offset_bias = nn.Parameter(torch.zeros(self.heads, (2 * WINDOW - 1) ** 2))
        axis = torch.arange(WINDOW)
        y, x = (grid.flatten() for grid in torch.meshgrid(axis, axis, indexing="ij"))
        offsets = (y[:, None] - y[None] + WINDOW - 1) * (2 * WINDOW - 1) + x[:, None] - x[None] + WINDOW - 1
        self.offsets: Tensor
        self.register_buffer("offsets", offsets, persistent=False)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        n, c, height, width = x.shape
        rows, columns, area, size = height // WINDOW, width // WINDOW, WINDOW * WINDOW, c // self.heads

        def tokens(part: Tensor) -> Tensor:
            split = part.reshape(n, self.heads, size, rows, WINDOW, columns, WINDOW)
            return split.permute(0, 3, 5, 1, 4, 6, 2).reshape(n * rows * columns, self.heads, area, size)

        query, key, value = (tokens(part) for part in self.qkv(x).chunk(3, dim=1))
        scores = query @ key.transpose(-2, -1) * size**-0.5 + self.offset_bias[:, self.offsets]
        mixed = torch.softmax(scores, dim=-1) @ value
        image = mixed.reshape(n, rows, columns, self.heads, WINDOW, WINDOW, size).permute(0, 3, 6, 1, 4, 2, 5)
        projected: Tensor = self.project(image.reshape(n, c, height, width))
        return x + projected


def attention(kind: Attention, channels: int) -> nn.Module:
    """Return the gate of that kind; the identity for `none`."""
    gates = {"channel": ChannelAttention, "spatial": SpatialAttention, "block": BlockAttention}
    return gates[kind](channels) if kind in gates else nn.Identity()
