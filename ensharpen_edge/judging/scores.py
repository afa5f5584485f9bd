"""Scores of images: how near one is to the truth, or to another network's, and how much of a gain is kept."""

from __future__ import annotations

import math

import numpy as np

from ensharpen_edge.arrays import F32
from ensharpen_edge.judging.limits import CLOSEST_PSNR, EQUAL_PSNR, TINY_GAIN
from ensharpen_edge.metrics.psnr import mse, psnr, psnr_from_mse
from ensharpen_edge.metrics.retained_gain import retained_gain


def truth_psnr(image: F32, truth: F32, *, rounded: bool = True) -> float:
    """Return the PSNR of an image against the truth in dB, at most `EQUAL_PSNR`.

    Args:
        image: float32 of any shape; white is 1.
        truth: The same.
        rounded: Compare what an 8-bit file would hold.

    Returns:
        Decibels; minus infinity where either holds anything that is not finite, so that no mean and no limit overlooks
        it.

    Raises:
        ValueError: The shapes differ.
    """
    if not (np.isfinite(image).all() and np.isfinite(truth).all()):
        return -math.inf
    return min(EQUAL_PSNR, psnr(image, truth, data_range=1.0, rounded=rounded))


def agreement(output: F32, reference: F32) -> float:
    """Return the PSNR between two images in [0, 1] in dB, at most `CLOSEST_PSNR`, without rounding to 8 bits.

    Anything that is not finite, on either side, is minus infinity.

    Raises:
        ValueError: The shapes differ.
    """
    return closeness(mse(output, reference))


def closeness(error: float) -> float:
    """Return a mean squared error of images in [0, 1] as PSNR in dB, at most `CLOSEST_PSNR`.

    An error that is not finite is minus infinity.
    """
    return min(CLOSEST_PSNR, psnr_from_mse(error, 1.0)) if math.isfinite(error) else -math.inf


def kept_gain(output: float, reference: float, degraded: float) -> float | None:
    """Return the share of the reference's gain over the degraded image that the output keeps, 1 for all of it.

    Args:
        output, reference, degraded: Scores against one truth, dB.

    Returns:
        None where the reference gains less than `TINY_GAIN`: nothing can be retained of nothing.
    """
    gain = reference - degraded
    if not math.isfinite(gain) or gain < TINY_GAIN:
        return None
    return retained_gain(output, reference, degraded)
