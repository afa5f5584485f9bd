"""The reference EnSharpen decoder: dense, from a grid of latents to an image four times as high and wide.

It is the baseline that the students' decoder is compared with. Names and shapes of its weights are fixed, so that
weights made elsewhere load.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class _ResidualBlock(nn.Module):
    """`x + conv2(relu(conv1(x)))`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv2(F.relu(self.conv1(x)))
        return x + y


class _Upsampling(nn.Module):
    """Twice the height and width: a convolution to four times the channels, PixelShuffle, ReLU."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 4 * outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(F.pixel_shuffle(self.conv(x), 2))


class EnSharpenDecoder(nn.Module):
    """Latents to pixels by residual blocks and two PixelShuffle steps: the baseline that students are compared with.

    The state dict holds `head.*`, `res_blocks.I.conv1.*`, `res_blocks.I.conv2.*`, `up1.conv.*`, `up2.conv.*` and
    `final_conv.*`; with the defaults these are 1,845,603 parameters.

    Args:
        latent_ch: Channels of the latents.
        mid_ch: Channels at the latents' resolution; a half of them at twice, a quarter at four times that resolution.
        out_ch: Channels of the image.
        num_res: Residual blocks at the latents' resolution.
    """

    def __init__(self, latent_ch: int = 256, mid_ch: int = 128, out_ch: int = 3, num_res: int = 4) -> None:
        super().__init__()
        self.head = nn.Conv2d(latent_ch, mid_ch, 3, padding=1)
        self.res_blocks = nn.ModuleList(_ResidualBlock(mid_ch) for _ in range(num_res))
        self.up1 = _Upsampling(mid_ch, mid_ch // 2)
        self.up2 = _Upsampling(mid_ch // 2, mid_ch // 4)
        self.final_conv = nn.Conv2d(mid_ch // 4, out_ch, 3, padding=1)

    def forward(self, latents: Tensor, skip: Tensor | None = None) -> Tensor:
        """Decode.

        Args:
            latents: float (N, latent_ch, H, W).
            skip: Encoder features that are added after the residual blocks, float (N, mid_ch, H, W), or None.

        Returns:
            float (N, out_ch, 4H, 4W) in [0, 1].
        """
        x: Tensor = self.head(latents)
        for block in self.res_blocks:
            x = block(x)
        if skip is not None:
            x = x + skip
        return torch.sigmoid(self.final_conv(self.up2(self.up1(x))))
