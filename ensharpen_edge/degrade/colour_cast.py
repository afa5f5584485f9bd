"""Wrong white balance, wrong exposure and faded colours: what the `colour` task learns to undo."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ensharpen_edge.imaging.luma import LUMA


@dataclass(frozen=True)
class ColourCastConfig:
    """Distribution of casts.

    Attributes:
        gain: Range of each channel's factor.
        gamma: Range of the exponent, drawn log-uniformly.
        saturation: Range of the colourfulness that is left; 0 is grey.
    """

    gain: tuple[float, float] = (0.75, 1.25)
    gamma: tuple[float, float] = (0.75, 1.33)
    saturation: tuple[float, float] = (0.4, 1.1)


def sample_and_cast(images: Tensor, config: ColourCastConfig, generator: torch.Generator) -> Tensor:
    """Give each image of (N, 3, H, W) in [0, 1] its own cast; the result is clipped."""
    count = images.shape[0]
    draw = torch.rand(count, 5, 1, 1, generator=generator, device=images.device)
    gain = config.gain[0] + (config.gain[1] - config.gain[0]) * draw[:, :3]
    gamma = config.gamma[0] * (config.gamma[1] / config.gamma[0]) ** draw[:, 3:4]
    left = config.saturation[0] + (config.saturation[1] - config.saturation[0]) * draw[:, 4:5]
    luma = torch.tensor(LUMA, device=images.device, dtype=images.dtype)[None, :, None, None]
    grey = (images * luma).sum(dim=1, keepdim=True)
    faded = (grey + left * (images - grey)).clamp(0.0, 1.0)
    return (gain * faded**gamma).clamp(0.0, 1.0)
