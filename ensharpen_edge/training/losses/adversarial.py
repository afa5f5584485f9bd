"""Adversarial loss: a small discriminator that learns to tell outputs from photographs. Off by default.

It invents texture that was not in the photograph and costs PSNR, so its weight is small and starts late.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ensharpen_edge.errors import UsageError

LARGEST_WEIGHT = 0.005


@dataclass(frozen=True)
class AdversarialConfig:
    """The adversarial term.

    Attributes:
        kind: `patch`: one verdict per patch; `unet`: one verdict per pixel.
        weight: Weight of the generator's loss, at most 0.005: more invents detail.
        warm_up: Share of the run without it; then the weight rises linearly over as long again.
        width: Channels of the discriminator's first layer.
        learning_rate: Learning rate of the discriminator.
    """

    kind: Literal["patch", "unet"] = "unet"
    weight: float = LARGEST_WEIGHT
    warm_up: float = 0.25
    width: int = 32
    learning_rate: float = 1e-4

    def __post_init__(self) -> None:
        if not 0.0 < self.weight <= LARGEST_WEIGHT:
            raise UsageError(f"adversarial weight must lie in (0, {LARGEST_WEIGHT}], got {self.weight}")
        if not 0.0 <= self.warm_up < 1.0:
            raise UsageError(f"adversarial warm-up is a share of the run below 1, got {self.warm_up}")
        if self.width < 1 or not 0.0 < self.learning_rate < 1.0:
            raise UsageError(f"adversarial width {self.width} or learning rate {self.learning_rate} is out of range")

    def weight_at(self, share: float) -> float:
        """Return the weight when `share` of the run is done."""
        if share < self.warm_up:
            return 0.0
        rise = max(self.warm_up, 1e-6)
        return self.weight * min(1.0, (share - self.warm_up) / rise)


def _layer(inputs: int, outputs: int, stride: int) -> nn.Module:
    size = 4 if stride == 2 else 3
    return nn.utils.parametrizations.spectral_norm(nn.Conv2d(inputs, outputs, size, stride=stride, padding=1))


class PatchDiscriminator(nn.Module):
    """Three stride-2 convolutions: float (N, 3, H, W) -> verdicts (N, 1, H/8, W/8) (Isola et al. 2017)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([_layer(3, width, 2), _layer(width, 2 * width, 2), _layer(2 * width, 4 * width, 2)])
        self.verdict = nn.Conv2d(4 * width, 1, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        x = image
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
        verdict: Tensor = self.verdict(x)
        return verdict


class UnetDiscriminator(nn.Module):
    """Verdicts per pixel: float (N, 3, H, W) -> (N, 1, H, W), sides multiples of 8 (after Wang et al. 2021)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.down = nn.ModuleList([_layer(width, 2 * width, 2), _layer(2 * width, 4 * width, 2)])
        self.up = nn.ModuleList([_layer(4 * width, 2 * width, 1), _layer(2 * width, width, 1)])
        self.verdict = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        x = F.leaky_relu(self.stem(image), 0.2)
        skips = []
        for layer in self.down:
            skips.append(x)
            x = F.leaky_relu(layer(x), 0.2)
        for layer in self.up:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = F.leaky_relu(layer(x), 0.2) + skips.pop()
        verdict: Tensor = self.verdict(x)
        return verdict


def discriminator(config: AdversarialConfig) -> nn.Module:
    """Return a fresh discriminator of the configured kind."""
    return PatchDiscriminator(config.width) if config.kind == "patch" else UnetDiscriminator(config.width)


def generator_loss(verdict: Tensor) -> Tensor:
    """Return the cross-entropy of calling outputs photographs (non-saturating, Goodfellow et al. 2014)."""
    return F.binary_cross_entropy_with_logits(verdict, torch.ones_like(verdict))


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Return the cross-entropy of calling photographs real and outputs false."""
    return 0.5 * (
        F.binary_cross_entropy_with_logits(real, torch.ones_like(real))
        + F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
    )
