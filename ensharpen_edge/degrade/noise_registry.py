"""Names of the noises. A new noise is one file and one line here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True)
class Noise:
    """One kind of noise.

    Attributes:
        add: (images (N, 3, H, W), config, strength 0 to 1, generator) -> noisy images, not clipped.
        config: Its distribution; None where there is nothing to draw.
        level: Name of the config's range that says how strong the noise is.
        unit: Unit that recipes state that range in.
    """

    add: Callable[[Tensor, Any, float, torch.Generator], Tensor]
    config: Any = None
    level: str = ""
    unit: float = 1.0

    def check_extent(self, ends: tuple[float, float]) -> None:
        """Raise `UsageError` unless the range is two ascending positive numbers, and there is something to draw."""
        if not self.level:
            raise UsageError("has no level, so it takes no extent")
        if not 0.0 < ends[0] <= ends[1] < float("inf"):
            raise UsageError(f"needs two ascending positive numbers as its extent, got {ends}")

    def __call__(
        self,
        images: Tensor,
        generator: torch.Generator,
        strength: float = 1.0,
        extent: tuple[float, float] | None = None,
    ) -> Tensor:
        """Noise of a level drawn for each of images (N, 3, H, W); `extent` is another range than the config's own."""
        config = self.config
        if extent is not None:
            config = dataclasses.replace(config, **{self.level: tuple(end * self.unit for end in extent)})
        return self.add(images, config, strength, generator)


def _gaussian(grey: bool) -> Noise:
    def add(images: Tensor, config: GaussianNoiseConfig, strength: float, generator: torch.Generator) -> Tensor:
        levels = strength * sample_noise_levels(config, images.shape[0], generator)
        return add_noise(images, levels, generator, grey=grey)

    return Noise(add, GaussianNoiseConfig(), "sigma", 1.0 / 255.0)


def _poisson(images: Tensor, config: PoissonNoiseConfig, strength: float, generator: torch.Generator) -> Tensor:
    return images + strength * (sample_and_add_poisson(images, config, generator) - images)


def _sensor(images: Tensor, config: ShotReadNoiseConfig, strength: float, generator: torch.Generator) -> Tensor:
    """Add the sensor's noise to linear light, which a sensor counts, before the transfer curve."""
    noisy = from_linear(sample_and_add_shot_read(to_linear(images), config, generator))
    return images + strength * (noisy - images)


NOISES: dict[str, Noise] = {
    "none": Noise(lambda images, _config, _strength, _generator: images),
    "gaussian": _gaussian(grey=False),
    "grey gaussian": _gaussian(grey=True),
    "poisson": Noise(_poisson, PoissonNoiseConfig(), "photons"),
    "sensor": Noise(_sensor, ShotReadNoiseConfig(), "shot"),
}


@dataclass(frozen=True)
class NoiseChoice:
    """One noise of a mix.

    Attributes:
        kind: Name in `NOISES`.
        weight: How often it is drawn, relative to the others.
        extent: Range of its level, or None for the noise's own: standard deviation in code values (gaussian), photons
            at white (poisson), variance per unit of light (sensor). Whatever it is, a fifth of the images that draw
            Gaussian noise get none (`GaussianNoiseConfig.clean`).
    """

    kind: str
    weight: float = 1.0
    extent: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.kind not in NOISES:
            raise unknown_name("noise", self.kind, NOISES)
        if not self.weight >= 0.0:
            raise UsageError(f"the weight of noise {self.kind!r} must not be negative, got {self.weight}")
        if self.extent is not None:
            try:
                NOISES[self.kind].check_extent(self.extent)
            except UsageError as error:
                raise UsageError(f"noise {self.kind!r} {error}") from error


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
            noisy[where] = NOISES[choice.kind](images[where], generator, strength, choice.extent)
    return noisy
