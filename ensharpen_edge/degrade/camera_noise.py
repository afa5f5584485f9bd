"""Noise of light and electronics: Poisson, and the sensor's shot and read noise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PoissonNoiseConfig:
    """Distribution of Poisson noise.

    Attributes:
        photons: Range of the photon count that makes full white, drawn log-uniformly; fewer are noisier.
        grey: Probability that all three channels get the same noise.
    """

    photons: tuple[float, float] = (100.0, 10_000.0)
    grey: float = 0.4


@dataclass(frozen=True)
class ShotReadNoiseConfig:
    """Distribution of a sensor's noise, in linear units of [0, 1].

    Attributes:
        shot: Range of the variance per unit of signal, drawn log-uniformly.
        read: Range of the signal-independent standard deviation, drawn log-uniformly.

    The default ranges are those that Brooks et al., Unprocessing images for learned raw denoising, 2019, measured on
    phone cameras.
    """

    shot: tuple[float, float] = (1e-4, 1.2e-2)
    read: tuple[float, float] = (5e-4, 2e-2)


def _log_uniform(bounds: tuple[float, float], draw: Tensor) -> Tensor:
    low, high = bounds
    return low * (high / low) ** draw


def add_poisson_noise(images: Tensor, photons: Tensor, grey: Tensor, generator: torch.Generator) -> Tensor:
    """Add Poisson noise to images (N, 3, H, W) in [0, 1], `photons` (N,) at white, `grey` (N,) bool; not clipped.

    Grey noise is drawn from the mean of the channels and added to each.
    """
    scale = photons[:, None, None, None]
    light = images.clamp(0.0, 1.0)
    coloured = torch.poisson(light * scale, generator=generator) / scale - light
    mean = light.mean(dim=1, keepdim=True)
    same = torch.poisson(mean * scale, generator=generator) / scale - mean
    return images + torch.where(grey[:, None, None, None], same.expand_as(coloured), coloured)


def sample_and_add_poisson(images: Tensor, config: PoissonNoiseConfig, generator: torch.Generator) -> Tensor:
    """Draw a level per image and add Poisson noise."""
    draw = torch.rand(2, images.shape[0], generator=generator, device=images.device)
    return add_poisson_noise(images, _log_uniform(config.photons, draw[0]), draw[1] < config.grey, generator)


def add_shot_read_noise(images: Tensor, shot: Tensor, read: Tensor, generator: torch.Generator) -> Tensor:
    """Add Gaussian noise of variance `shot * signal + read^2` to linear images (N, 3, H, W) in [0, 1]; no clip."""
    variance = shot[:, None, None, None] * images.clamp(0.0, 1.0) + read[:, None, None, None] ** 2
    noise = torch.randn(images.shape, generator=generator, device=images.device, dtype=images.dtype)
    return images + variance.sqrt() * noise


def sample_and_add_shot_read(images: Tensor, config: ShotReadNoiseConfig, generator: torch.Generator) -> Tensor:
    """Draw a sensor per image and add its noise."""
    draw = torch.rand(2, images.shape[0], generator=generator, device=images.device)
    return add_shot_read_noise(
        images, _log_uniform(config.shot, draw[0]), _log_uniform(config.read, draw[1]), generator
    )
