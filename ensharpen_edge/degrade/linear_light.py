"""The sRGB transfer curve (IEC 61966-2-1): lenses blur light, not code values."""

from __future__ import annotations

import torch
from torch import Tensor


def to_linear(srgb: Tensor) -> Tensor:
    """Convert sRGB code values in [0, 1] to linear light in [0, 1]."""
    return torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb.clamp(min=0.0) + 0.055) / 1.055) ** 2.4)


def from_linear(linear: Tensor) -> Tensor:
    """Convert linear light in [0, 1] to sRGB code values in [0, 1]. Values outside are clipped first."""
    light = linear.clamp(0.0, 1.0)
    return torch.where(light <= 0.0031308, light * 12.92, 1.055 * light.clamp(min=1e-8) ** (1 / 2.4) - 0.055)
