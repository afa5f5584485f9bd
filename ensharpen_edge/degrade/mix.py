"""The degradation of a photograph before the network sees it in training."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ensharpen_edge.degrade.convolve import convolve
from ensharpen_edge.degrade.jpeg import JpegConfig, sample_and_compress
from ensharpen_edge.degrade.linear_light import from_linear, to_linear
from ensharpen_edge.degrade.noise_registry import NoiseChoice, apply_noises
from ensharpen_edge.degrade.probability import check_probabilities
from ensharpen_edge.degrade.registry import KERNEL_SIZE, BlurChoice, kernel_width, sample_kernels
from ensharpen_edge.degrade.second_order import SecondOrderConfig, second_order
from ensharpen_edge.degrade.soft_photo import to_eight_bit
from ensharpen_edge.errors import BadInputError, UsageError, require

MARGIN = KERNEL_SIZE // 2
"""Pixels that `degrade` trims from each side."""


@dataclass(frozen=True)
class DegradationMix:
    """Blur, then noise, then compression or the rounding of an 8-bit photograph.

    Attributes:
        blurs: The kinds of blur and their weights.
        noises: The kinds of noise and their weights.
        linear_light: Probability that the blur is applied in linear light.
        jpeg: Probability of JPEG compression.
        compression: Its distribution.
        twice: Probability that an image takes the second-order pipeline instead of all that.
        passes: Its distribution.
        identity: Probability that an image passes unchanged: the network must learn to leave sharp photos alone.
        eight_bit: Probability that the result is clipped and rounded to 8 bits, as a photo file is.
    """

    blurs: tuple[BlurChoice, ...] = (BlurChoice("gaussian"),)
    noises: tuple[NoiseChoice, ...] = (NoiseChoice("gaussian"),)
    linear_light: float = 0.2
    jpeg: float = 0.0
    compression: JpegConfig = field(default_factory=JpegConfig)
    twice: float = 0.0
    passes: SecondOrderConfig = field(default_factory=SecondOrderConfig)
    identity: float = 0.05
    eight_bit: float = 0.75

    def __post_init__(self) -> None:
        check_probabilities(self, ("linear_light", "jpeg", "twice", "identity", "eight_bit"))
        for name in ("blurs", "noises"):
            if not sum(choice.weight for choice in getattr(self, name)) > 0.0:
                raise UsageError(f"mix: {name} needs at least one kind with a weight above 0")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types, for cards and checkpoints."""
        return dataclasses.asdict(self)


def mix_from_dict(values: Mapping[str, Any]) -> DegradationMix:
    """Return the mix that `to_dict` wrote, on a card for instance; fields that are missing take their defaults.

    Raises:
        BadInputError: Not such a table.
        MissingToolError: cattrs is not installed.
    """
    cattrs = require("cattrs", "train")
    try:
        mix: DegradationMix = cattrs.structure(values, DegradationMix)
    except Exception as error:  # cattrs groups whatever a field raises
        raise BadInputError(f"not a mix of degradations ({error})") from error
    return mix


@dataclass(frozen=True)
class DegradedBatch:
    """A batch after the mix; all images float (N, 3, H, W).

    Attributes:
        degraded: Images that the network sees.
        target: The sharp photograph.
        blurred: The photograph after the blur, before noise and compression: what a denoiser should return. For
            images that were degraded twice it is the sharp photograph, since no single blur describes them.
        blur: (N,) width of the blur, standard deviation in pixels; 0 where none was applied, NaN where unknown.
        noise: (N,) standard deviation of what noise and compression added, in [0, 1]; NaN where unknown.
    """

    degraded: Tensor
    target: Tensor
    blurred: Tensor
    blur: Tensor
    noise: Tensor


def degrade(sharp: Tensor, mix: DegradationMix, generator: torch.Generator, strength: float = 1.0) -> DegradedBatch:
    """Degrade a batch.

    Only pixels whose whole blur neighbourhood is inside the crop are kept, so no invented border enters training; of
    images that are degraded twice, mirrored borders can reach a few pixels in.

    Args:
        sharp: float (N, 3, H, W) in [0, 1], with `MARGIN` pixels to spare on each side.
        mix: The distribution.
        generator: Source of all randomness, on the device of `sharp`.
        strength: 1 draws from the whole ranges of blur and noise, 0 only the weakest ends of blur and no noise: levels
            of noise are multiplied by it.

    Returns:
        Images of (N, 3, H - 2 * MARGIN, W - 2 * MARGIN).
    """
    count = sharp.shape[0]
    target = sharp[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
    kernels = sample_kernels(mix.blurs, count, generator, strength)
    choice = torch.rand(5, count, generator=generator, device=sharp.device)
    linear = choice[0] < mix.linear_light
    light = sharp.clone()
    light[linear] = to_linear(light[linear])
    blurred = convolve(light, kernels, border="valid")
    blurred[linear] = from_linear(blurred[linear])
    degraded = apply_noises(blurred, mix.noises, generator, strength)
    degraded = torch.where((choice[1] < mix.eight_bit)[:, None, None, None], to_eight_bit(degraded), degraded)
    compressed = (choice[2] < mix.jpeg).nonzero().flatten()
    if len(compressed):
        degraded[compressed] = sample_and_compress(degraded[compressed], mix.compression, generator)
    blur, noise = kernel_width(kernels), (degraded - blurred).std(dim=(1, 2, 3))
    twice = (choice[3] < mix.twice).nonzero().flatten()
    if len(twice):
        whole = second_order(sharp[twice], mix.passes, generator, strength)
        degraded[twice] = whole[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
        blurred[twice] = target[twice]
        blur[twice], noise[twice] = torch.nan, torch.nan
    same = choice[4] < mix.identity
    unchanged = same[:, None, None, None]
    return DegradedBatch(
        torch.where(unchanged, target, degraded),
        target,
        torch.where(unchanged, target, blurred),
        torch.where(same, 0.0, blur),
        torch.where(same, 0.0, noise),
    )
