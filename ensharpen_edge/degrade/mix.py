"""The degradation mix: what a training batch goes through, with its probabilities."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ensharpen_edge.degrade.convolve import convolve
from ensharpen_edge.degrade.gaussian_blur import GaussianBlurConfig, sample_gaussian_kernels
from ensharpen_edge.degrade.linear_light import from_linear, to_linear
from ensharpen_edge.degrade.noise import GaussianNoiseConfig, add_noise, sample_noise_levels
from ensharpen_edge.degrade.soft_photo import to_eight_bit


@dataclass(frozen=True)
class DegradationMix:
    """Blur, then noise, then the rounding of an 8-bit photograph.

    Attributes:
        blur: Distribution of the blur kernels.
        noise: Distribution of the noise levels.
        linear_light: Probability that the blur is applied in linear light.
        identity: Probability that an image passes unchanged: the network must learn to leave sharp photos alone.
        eight_bit: Probability that the result is clipped and rounded to 8 bits, as a photo file is.
    """

    blur: GaussianBlurConfig = field(default_factory=GaussianBlurConfig)
    noise: GaussianNoiseConfig = field(default_factory=GaussianNoiseConfig)
    linear_light: float = 0.2
    identity: float = 0.05
    eight_bit: float = 0.75

    @property
    def margin(self) -> int:
        """Pixels that `degrade` trims from each side."""
        return self.blur.size // 2

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, for cards and checkpoints."""
        return dataclasses.asdict(self)


def degrade(sharp: Tensor, mix: DegradationMix, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Degrade a batch.

    Only pixels whose whole blur neighbourhood is inside the crop are kept, so no invented border enters training.

    Args:
        sharp: float (N, 3, H, W) in [0, 1], with `mix.margin` pixels to spare on each side.
        mix: The distribution.
        generator: Source of all randomness, on the device of `sharp`.

    Returns:
        (degraded, target), both (N, 3, H - 2 * margin, W - 2 * margin).
    """
    count, margin = sharp.shape[0], mix.margin
    target = sharp[..., margin:-margin, margin:-margin]
    kernels = sample_gaussian_kernels(mix.blur, count, generator)
    levels = sample_noise_levels(mix.noise, count, generator)
    choice = torch.rand(3, count, generator=generator, device=sharp.device)
    linear = choice[0] < mix.linear_light
    light = sharp.clone()
    light[linear] = to_linear(light[linear])
    blurred = convolve(light, kernels, border="valid")
    blurred[linear] = from_linear(blurred[linear])
    degraded = add_noise(blurred, levels, generator)
    degraded = torch.where((choice[1] < mix.eight_bit)[:, None, None, None], to_eight_bit(degraded), degraded)
    degraded = torch.where((choice[2] < mix.identity)[:, None, None, None], target, degraded)
    return degraded, target
