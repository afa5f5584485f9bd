"""A photograph as a soft lens and a noisy sensor would have saved it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ensharpen_edge.arrays import F64, U8

_RADIUS = 12
"""Pixels on either side of the middle that the kernel reaches."""


@dataclass(frozen=True)
class Softness:
    """Strength of the degradation.

    Attributes:
        blur: Standard deviation of the Gaussian blur, pixels.
        noise: Standard deviation of the noise, code values (0..255).
    """

    blur: float
    noise: float


def soften(sharp: U8, softness: Softness) -> U8:
    """Return a photograph blurred with mirrored borders, with white noise from seed 0, rounded to 8 bits.

    Args:
        sharp: uint8 (H, W, 3), sides of more than 12 pixels.
        softness: Strength of blur and noise.
    """
    axis = np.arange(-_RADIUS, _RADIUS + 1)
    profile = np.exp(-0.5 * (axis / softness.blur) ** 2)
    profile /= profile.sum()
    margins = ((_RADIUS, _RADIUS), (_RADIUS, _RADIUS), (0, 0))
    blurred = _along_rows(_along_rows(np.pad(sharp, margins, mode="reflect").astype(np.float64), profile), profile)
    noisy = blurred + np.random.RandomState(0).normal(0.0, softness.noise, blurred.shape)
    return np.rint(np.clip(noisy, 0.0, 255.0)).astype(np.uint8)


def _along_rows(image: F64, profile: F64) -> F64:
    """Convolve the first axis, and turn the image: two calls convolve both and turn it back."""
    height = image.shape[0] - 2 * _RADIUS
    rows = sum(weight * image[start : start + height] for start, weight in enumerate(profile))
    return np.asarray(rows, dtype=np.float64).transpose(1, 0, 2)
