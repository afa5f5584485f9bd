"""Sharpness and halos on a slanted edge: MTF50, overshoot, undershoot (after ISO 12233)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ensharpen_edge.arrays import F64

_BINS_PER_PIXEL = 4
_PLATEAU = 0.25
"""Share of the profile at each end that counts as flat."""


@dataclass(frozen=True)
class EdgeProfile:
    """The sharpness of a system, measured on an image of an edge.

    Attributes:
        mtf50: Frequency at which contrast falls to one half, cycles per pixel; higher is sharper.
        overshoot, undershoot: How far the bright side rises above, and the dark side falls below its plateau, as a
            share of the step; 0 without halos.
    """

    mtf50: float
    overshoot: float
    undershoot: float


def slanted_edge(
    height: int = 128, width: int = 128, degrees: float = 5.0, low: float = 0.25, high: float = 0.75
) -> F64:
    """Return a nearly vertical edge, dark on the left, (H, W) in [0, 1]; pixels hold the area under the edge."""
    oversampling = 8
    y = (np.arange(height * oversampling) + 0.5) / oversampling - height / 2
    x = (np.arange(width * oversampling) + 0.5) / oversampling - width / 2
    inside = x[None, :] > y[:, None] * math.tan(math.radians(degrees))
    share = inside.reshape(height, oversampling, width, oversampling).mean(axis=(1, 3))
    return np.asarray(low + (high - low) * share)


def edge_spread(plane: F64, degrees: float = 5.0) -> F64:
    """Return the profile across the edge, four samples a pixel: each pixel falls into the bin of its distance to it.

    Args:
        plane: (H, W) of an edge as `slanted_edge` makes it.
        degrees: Its angle.
    """
    height, width = plane.shape
    y = np.arange(height) + 0.5 - height / 2
    x = np.arange(width) + 0.5 - width / 2
    slope = math.tan(math.radians(degrees))
    distance = (x[None, :] - y[:, None] * slope) * math.cos(math.radians(degrees))
    reach = width / 2 - height / 2 * slope - 1.0
    bins = np.floor((distance + reach) * _BINS_PER_PIXEL).astype(np.int64)
    count = int(2 * reach * _BINS_PER_PIXEL)
    valid = (bins >= 0) & (bins < count)
    total = np.bincount(bins[valid], weights=plane[valid], minlength=count)
    number = np.bincount(bins[valid], minlength=count)
    return np.asarray(total / np.maximum(number, 1))


def measure_edge(plane: F64, degrees: float = 5.0) -> EdgeProfile:
    """Return sharpness and halos of an image of `slanted_edge`.

    Args:
        plane: (H, W), any linear scale.
        degrees: The edge's angle.

    Raises:
        ValueError: There is no edge, or it is not dark on the left.
    """
    profile = edge_spread(plane, degrees)
    flat = int(len(profile) * _PLATEAU)
    low, high = float(profile[:flat].mean()), float(profile[-flat:].mean())
    step = high - low
    if not step > 1e-6:
        raise ValueError(f"no edge from dark to bright: the plateaus are {low:.4g} and {high:.4g}")
    spread = np.gradient(profile / step)
    window = np.hamming(len(spread))
    transfer = np.abs(np.fft.rfft(spread * window))
    transfer /= transfer[0]
    # The derivative over two bins and the bin itself filter, too: their own transfer is divided out.
    frequency = np.fft.rfftfreq(len(spread)) * _BINS_PER_PIXEL
    own = np.abs(np.sinc(2 * frequency / _BINS_PER_PIXEL)) * np.abs(np.sinc(frequency / _BINS_PER_PIXEL))
    transfer = transfer / np.maximum(own, 0.1)
    below = int(np.argmax(transfer < 0.5)) if bool((transfer < 0.5).any()) else len(transfer) - 1
    before, after = transfer[below - 1], transfer[below]
    share = (before - 0.5) / (before - after) if before > after else 0.0
    mtf50 = frequency[below - 1] + share * (frequency[below] - frequency[below - 1])
    return EdgeProfile(
        float(mtf50), max(0.0, float(profile.max() - high) / step), max(0.0, float(low - profile.min()) / step)
    )
