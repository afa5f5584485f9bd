"""Edges and flat regions: what sharpening does where the eye looks for halos and grain."""

from __future__ import annotations

import numpy as np

from ensharpen_edge.arrays import F32
from ensharpen_edge.benchmarks.quality.protocol import blur_circular, gaussian_kernel
from ensharpen_edge.benchmarks.quality.scoring import DEGRADED, Method
from ensharpen_edge.errors import UsageError
from ensharpen_edge.metrics.noise_gain import noise_gain
from ensharpen_edge.metrics.slanted_edge import measure_edge, slanted_edge

BLUR = 1.6
NOISE = 5.0


def edge_image(side: int = 160) -> F32:
    """Return a slanted edge blurred by `BLUR` pixels, float32 (side, side, 3); borders are repeated, no edge wraps."""
    edge = slanted_edge(side, side)
    padded = np.pad(edge, 16, mode="edge")[..., None]
    blurred = blur_circular(padded, gaussian_kernel(BLUR))[16:-16, 16:-16, 0]
    return np.repeat(blurred[..., None], 3, axis=2).astype(np.float32)


def measure_edges(methods: dict[str, Method]) -> dict[str, dict[str, float]]:
    """Return MTF50 (cycles per pixel), overshoot, undershoot and noise gain of every method and of the blurred edge.

    Raises:
        UsageError: A method enlarges: its edges would be as much softer per pixel.
    """
    image = edge_image()
    rows = {}
    for name, method in {DEGRADED: _same, **methods}.items():
        output = method(image)
        if output.shape != image.shape:
            raise UsageError(f"{name} enlarges: edges are measured per pixel, at one size", hint="leave out --edges")
        profile = measure_edge(output.astype(np.float64).mean(axis=2)[16:-16, 16:-16])
        rows[name] = {**vars(profile), "noise_gain": noise_gain(method, NOISE)}
    return rows


def _same(image: F32) -> F32:
    return image
