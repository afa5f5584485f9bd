"""The reference EnSharpen decoder: dense, 4x up from a latent grid. Kept for comparison with the students' decoder."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class _ResidualConvBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv2(F.relu(self.conv1(x)))
        return x + y


class EnSharpenDecoder(nn.Module):
    """Latents to pixels by residual blocks and two PixelShuffle steps.

    Args:
        latent_ch: Channels of the latents.
        mid_ch: Channels inside.
        out_ch: Channels of the image.
        num_res: Residual blocks at latent resolution.
    """

    def __init__(self, latent_ch: int = 256, mid_ch: int = 128, out_ch: int = 3, num_res: int = 4) -> None:
        super().__init__()
        self.entry = nn.Conv2d(latent_ch, mid_ch, 3, padding=1)
        self.blocks = nn.Sequential(*(_ResidualConvBlock(mid_ch) for _ in range(num_res)))
        self.up = nn.ModuleList(nn.Conv2d(mid_ch, mid_ch * 4, 3, padding=1) for _ in range(2))
        self.shuffle = nn.PixelShuffle(2)
        self.head = nn.Conv2d(mid_ch, out_ch, 3, padding=1)

    def forward(self, latents: Tensor, skip: Tensor | None = None) -> Tensor:
        """Decode.

        Args:
            latents: float (N, latent_ch, H, W).
            skip: Encoder features to add after the entry convolution, float (N, mid_ch, H, W), or None.

        Returns:
            float (N, out_ch, 4H, 4W), not clipped.
        """
        x = self.entry(latents)
        if skip is not None:
            x = x + skip
        x = self.blocks(x)
        for convolution in self.up:
            x = F.relu(self.shuffle(convolution(x)))
        y: Tensor = self.head(x)
        return y
