"""How much a method amplifies the noise of flat regions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ensharpen_edge.arrays import F32

_LEVELS = (0.25, 0.5, 0.75)


def noise_gain(method: Callable[[F32], F32], sigma: float, side: int = 128, seed: int = 0) -> float:
    """Return noise left by a method on flat grey, relative to the noise it was given; 1 passes it on, 0 removes it all.

    Args:
        method: float32 (H, W, 3) in [0, 1] -> the same.
        sigma: Standard deviation of the white noise, code values (0..255).
        side: Side of the patches in pixels.
        seed: Seed of the noise.

    Returns:
        Ratio of standard deviations, the mean over three grey levels, borders of 16 pixels left out.
    """
    ratios = []
    for index, level in enumerate(_LEVELS):
        noise = np.random.default_rng((seed, index)).normal(0.0, sigma / 255.0, (side, side, 3))
        noisy = (level + noise).astype(np.float32)
        inner = (slice(16, -16), slice(16, -16))
        ratios.append(float(method(noisy)[inner].std() / noisy[inner].std()))
    return float(np.mean(ratios))
