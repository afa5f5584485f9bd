"""Names of the noises. A new noise is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ensharpen_edge.degrade.camera_noise import (
    PoissonNoiseConfig,
    ShotReadNoiseConfig,
    sample_and_add_poisson,
    sample_and_add_shot_read,
)
from ensharpen_edge.degrade.linear_light import from_linear, to_linear
from ensharpen_edge.degrade.noise import GaussianNoiseConfig, add_noise, sample_noise_levels
from ensharpen_edge.errors import UsageError, unknown_name

Noise = Callable[[Tensor, float, torch.Generator], Tensor]
"""(images (N, 3, H, W), strength 0 to 1, generator) -> noisy images, not clipped."""


def _gaussian(grey: bool) -> Noise:
    def add(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        config = GaussianNoiseConfig()
        levels = strength * sample_noise_levels(config, images.shape[0], generator)
        return add_noise(images, levels, generator, grey=grey)

    return add


def _poisson(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    return images + strength * (sample_and_add_poisson(images, PoissonNoiseConfig(), generator) - images)


def _sensor(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """The sensor counts light, so its noise is added before the transfer curve."""
    noisy = from_linear(sample_and_add_shot_read(to_linear(images), ShotReadNoiseConfig(), generator))
    return images + strength * (noisy - images)


NOISES: dict[str, Noise] = {
    "none": lambda images, _strength, _generator: images,
    "gaussian": _gaussian(grey=False),
    "grey gaussian": _gaussian(grey=True),
    "poisson": _poisson,
    "sensor": _sensor,
}


@dataclass(frozen=True)
class NoiseChoice:
    """One noise of a mix.

    Attributes:
        kind: Name in `NOISES`.
        weight: How often it is drawn, relative to the others.
    """

    kind: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in NOISES:
            raise unknown_name("noise", self.kind, NOISES)
        if not self.weight >= 0.0:
            raise UsageError(f"the weight of noise {self.kind!r} must not be negative, got {self.weight}")


def apply_noises(
    images: Tensor, choices: tuple[NoiseChoice, ...], generator: torch.Generator, strength: float = 1.0
) -> Tensor:
    """Give each image of (N, 3, H, W) one noise, the kinds in proportion to their weights."""
    weights = torch.tensor([choice.weight for choice in choices], device=images.device)
    drawn = torch.multinomial(weights, images.shape[0], replacement=True, generator=generator)
    noisy = images.clone()
    for index, choice in enumerate(choices):
        where = (drawn == index).nonzero().flatten()
        if len(where):
            noisy[where] = NOISES[choice.kind](images[where], strength, generator)
    return noisy
