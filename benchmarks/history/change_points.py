"""Points where a history of times jumps: PELT (Killick, Fearnhead, Eckley 2012) by the ruptures package."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ensharpen_edge.errors import require

_SHORTEST = 3
"""Least number of results between two jumps."""

_LEAST_NOISE = 0.005
"""Least noise of the logarithm of times: a history that repeats to the last digit has no jumps below half a percent."""


_NEIGHBOURHOOD, _OUTLIER = 5, 3.0
"""Number of results that a median is taken of, and how many times the noise a result may differ from it."""


def _running_median(level: NDArray[np.float64]) -> NDArray[np.float64]:
    padded = np.pad(level, _NEIGHBOURHOOD // 2, mode="reflect")
    medians: NDArray[np.float64] = np.median(sliding_window_view(padded, _NEIGHBOURHOOD), axis=-1)
    return medians


def change_points(milliseconds: Sequence[float]) -> list[int]:
    """Return the indices of the first results after a jump of the level.

    A jump must pay for itself: it costs 5 ln n times the noise's variance (Yao 1988 takes 2; here the noise is an
    estimate, too), which is read from the differences of neighbours, which jumps hardly touch.

    Raises:
        MissingToolError: ruptures is not installed.
    """
    if len(milliseconds) < 2 * _SHORTEST:
        return []
    ruptures = require("ruptures", "bench")
    level = np.log(np.asarray(milliseconds, dtype=np.float64))
    noise = max(1.4826 * float(np.median(np.abs(np.diff(level)))) / np.sqrt(2.0), _LEAST_NOISE)
    # One slow run is no jump, and squares would make it one: it is pulled to within the noise of its neighbourhood.
    around = _running_median(level)
    scaled = np.clip(level, around - _OUTLIER * noise, around + _OUTLIER * noise) / noise
    penalty = 5.0 * np.log(len(level))
    found = ruptures.Pelt(model="l2", min_size=_SHORTEST, jump=1).fit(scaled.reshape(-1, 1)).predict(pen=penalty)
    return [int(index) for index in found[:-1]]
