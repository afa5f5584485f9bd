"""Photographs continued beyond their edges the way the protocol's circular blur saw them.

A blur with circular borders mixes opposite edges of a photograph, which no camera does. Deconvolution by Fourier
transforms knows that; a network that is given the photograph alone sees edges it was never shown. Continued
periodically, it is given the same photograph, and the difference is what the protocol's borders cost it.
"""

from __future__ import annotations

import numpy as np

from ensharpen_edge.arrays import F32
from ensharpen_edge.benchmarks.quality.scoring import Method


def periodic(method: Method, margin: int) -> Method:
    """Return the method that adds `margin` pixels of the opposite side at every edge, and cuts them off again.

    Args:
        method: Method on (H, W, 3); one that enlarges has as much more cut off.
        margin: Pixels at every edge, as far as the method looks; more than H or W repeats the photograph.
    """

    def run(image: F32) -> F32:
        around = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="wrap")
        output = method(around)
        times = output.shape[0] // around.shape[0]
        top, height, width = times * margin, times * image.shape[0], times * image.shape[1]
        return np.ascontiguousarray(output[top : top + height, top : top + width])

    return run
