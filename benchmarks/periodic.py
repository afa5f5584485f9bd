"""Photographs continued beyond their edges the way the protocol's circular blur saw them.

A blur with circular borders mixes opposite edges of a photograph, which no camera does. Deconvolution by Fourier
transforms knows that; a network that is given the photograph alone sees edges it was never shown. Continued
periodically, it is given the same photograph, and the difference is what the protocol's borders cost it.
"""

from __future__ import annotations

import numpy as np

from ensharpen_edge.benchmarks.protocol import F32
from ensharpen_edge.benchmarks.quality import Method

MARGIN = 128
"""Pixels: no student looks further (`models.geometry`), and its grid fits into them."""


def periodic(method: Method, margin: int = MARGIN) -> Method:
    """The method on the photograph with `margin` pixels of the opposite side at every edge, which are cut off again.

    Args:
        method: That keeps the size of (H, W, 3).
        margin: Pixels at every edge; more than H or W repeats the photograph.
    """

    def run(image: F32) -> F32:
        around = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="wrap")
        height, width = image.shape[:2]
        return np.ascontiguousarray(method(around)[margin : margin + height, margin : margin + width])

    return run
