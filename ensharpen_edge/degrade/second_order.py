"""A photograph that was degraded twice: taken, shrunk, compressed, shared, enlarged, compressed again.

The pipeline and the parameters of Wang et al., Real-ESRGAN: training real-world blind super-resolution with pure
synthetic data, 2021 (option file `train_realesrnet_x4plus`), brought back to the size it started with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from ensharpen_edge.degrade.convolve import convolve
from ensharpen_edge.degrade.jpeg import JpegConfig, jpeg
from ensharpen_edge.degrade.probability import check_probabilities
from ensharpen_edge.degrade.registry import BLURS, BlurChoice, sample_kernels
from ensharpen_edge.degrade.resize import Filter, resize
from ensharpen_edge.errors import UsageError

_FILTERS = get_args(Filter)
_PHOTONS = 256.0


@dataclass(frozen=True)
class Pass:
    """One of the two passes.

    Attributes:
        blur_sigma: Range of the Gaussian family's widths, pixels.
        blurred: Probability of a blur at all.
        enlarge, shrink: Probability of each; otherwise the size stays.
        scale: Range of the resizing factor.
        noise: Range of Gaussian noise, code values.
        poisson: Range of the factor that Poisson noise of 256 photons at white is multiplied by.
    """

    blur_sigma: tuple[float, float]
    blurred: float
    enlarge: float
    shrink: float
    scale: tuple[float, float]
    noise: tuple[float, float]
    poisson: tuple[float, float]

    def __post_init__(self) -> None:
        for name in ("blur_sigma", "scale", "noise", "poisson"):
            low, high = getattr(self, name)
            if not 0.0 <= low <= high < float("inf") or (name in ("blur_sigma", "scale") and low == 0.0):
                raise UsageError(f"second order: {name} must be two ascending positive numbers, got {(low, high)}")
        check_probabilities(self, ("blurred", "enlarge", "shrink"))
        if self.enlarge + self.shrink > 1.0:
            raise UsageError(f"second order: enlarge and shrink exceed 1 together ({self.enlarge} and {self.shrink})")


@dataclass(frozen=True)
class SecondOrderConfig:
    """Both passes and what they share.

    Attributes:
        first, second: The passes. The smallest scales are 0.35 and 0.5 instead of 0.15 and 0.3: the target is the
            photograph itself and not one of four times its size, so less may be lost for good.
        sinc: Probability that a pass filters with a sinc instead of a Gaussian.
        final_sinc: Probability of a last sinc filter.
        gaussian_noise: Probability that a pass's noise is Gaussian; otherwise Poisson.
        grey: Probability that noise is the same in all channels.
        quality: Range of both JPEG qualities.
    """

    first: Pass = Pass((0.2, 3.0), 1.0, 0.2, 0.7, (0.35, 1.5), (1.0, 30.0), (0.05, 3.0))
    second: Pass = Pass((0.2, 1.5), 0.8, 0.3, 0.4, (0.5, 1.2), (1.0, 25.0), (0.05, 2.5))
    sinc: float = 0.1
    final_sinc: float = 0.8
    gaussian_noise: float = 0.5
    grey: float = 0.4
    quality: tuple[int, int] = (30, 95)

    def __post_init__(self) -> None:
        check_probabilities(self, ("sinc", "final_sinc", "gaussian_noise", "grey"))
        JpegConfig(quality=self.quality)


def _blurs(sigma: tuple[float, float], sinc: float) -> tuple[BlurChoice, ...]:
    """Return the kernel mix of Real-ESRGAN: isotropic .45, anisotropic .25, generalised .15, plateau .15."""
    rest = 1.0 - sinc
    return (
        BlurChoice("isotropic gaussian", 0.45 * rest, sigma),
        BlurChoice("anisotropic gaussian", 0.25 * rest, sigma),
        BlurChoice("generalised gaussian", 0.15 * rest, sigma),
        BlurChoice("plateau", 0.15 * rest, sigma),
        BlurChoice("sinc", sinc),
    )


class _Dice:
    """Numbers from one generator."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def chance(self, probability: float) -> bool:
        return self.uniform((0.0, 1.0)) < probability

    def uniform(self, bounds: tuple[float, float]) -> float:
        draw = torch.rand((), generator=self.generator, device=self.generator.device).item()
        return bounds[0] + (bounds[1] - bounds[0]) * draw

    def filter(self) -> Filter:
        kind: Filter = _FILTERS[min(int(self.uniform((0.0, 3.0))), 2)]
        return kind


def _one_pass(
    image: Tensor, size: tuple[int, int], config: SecondOrderConfig, this: Pass, strength: float, dice: _Dice
) -> Tensor:
    """Blur, resize to a factor of `size` (height, width), add noise."""
    generator = dice.generator
    if dice.chance(this.blurred):
        image = convolve(image, sample_kernels(_blurs(this.blur_sigma, config.sinc), 1, generator, strength))
    choice = dice.uniform((0.0, 1.0))
    factor = 1.0
    if choice < this.enlarge:
        factor = dice.uniform((1.0, this.scale[1]))
    elif choice < this.enlarge + this.shrink:
        factor = dice.uniform((1.0 - strength * (1.0 - this.scale[0]), 1.0))
    # Convolution needs more pixels than half a kernel on each side.
    wanted = (max(16, round(size[0] * factor)), max(16, round(size[1] * factor)))
    if wanted != tuple(image.shape[-2:]):
        image = resize(image, wanted, dice.filter()).clamp(0.0, 1.0)
    channels = 1 if dice.chance(config.grey) else 3
    if dice.chance(config.gaussian_noise):
        sigma = strength * dice.uniform(this.noise) / 255.0
        noise = torch.randn(1, channels, *image.shape[-2:], generator=generator, device=image.device)
        return image + sigma * noise
    light = image.clamp(0.0, 1.0)
    light = light.mean(dim=1, keepdim=True) if channels == 1 else light
    noise = torch.poisson(light * _PHOTONS, generator=generator) / _PHOTONS - light
    return image + strength * dice.uniform(this.poisson) * noise


def second_order(images: Tensor, config: SecondOrderConfig, generator: torch.Generator, strength: float) -> Tensor:
    """Degrade each image of (N, 3, H, W) in [0, 1] twice; the result has the same size and is clipped.

    Borders are mirrored, so the outer pixels of the result should be trimmed by the caller.

    Args:
        images: Images of at least 32 pixels a side.
        config: The distribution.
        generator: Random generator on the images' device.
        strength: 0 to 1, scales blur, shrinking and noise.
    """
    dice = _Dice(generator)
    low, high = config.quality
    done = []
    for image in torch.split(images.clamp(0.0, 1.0), 1):
        size = (image.shape[-2], image.shape[-1])
        x = _one_pass(image, size, config, config.first, strength, dice)
        x = jpeg(x, round(dice.uniform((low, high))), subsampled=True)
        x = _one_pass(x, size, config, config.second, strength, dice)
        ringing = dice.chance(config.final_sinc)
        filter_first = dice.chance(0.5)
        if not filter_first:
            x = jpeg(x, round(dice.uniform((low, high))), subsampled=True)
        x = resize(x, size, dice.filter()).clamp(0.0, 1.0)
        if ringing:
            x = convolve(x, BLURS["sinc"].kernels(1, generator, strength)).clamp(0.0, 1.0)
        if filter_first:
            x = jpeg(x, round(dice.uniform((low, high))), subsampled=True)
        done.append(x)
    return torch.cat(done)
