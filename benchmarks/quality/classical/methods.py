"""Classical sharpeners by name. A new one is one entry; tables show the best of its settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ensharpen_edge.arrays import F32, F64
from ensharpen_edge.benchmarks.quality.classical.deconvolution import richardson_lucy, total_variation, wiener
from ensharpen_edge.benchmarks.quality.classical.unsharp import SETTINGS, unsharp_mask
from ensharpen_edge.errors import require

Sharpen = Callable[[F32, F64], F32]
"""Function of an image, float32 (H, W, 3) in [0, 1], and the true kernel, which blind methods ignore."""


@dataclass(frozen=True)
class ClassicalMethod:
    """One method.

    Attributes:
        title: Name in tables.
        oracle: Whether it is told the true kernel, which no photograph comes with.
        settings: Name and function of each setting.
        package: Module and extra that must be there, or None.
    """

    title: str
    oracle: bool
    settings: Sequence[tuple[str, Sharpen]]
    package: tuple[str, str] | None = None

    def check_available(self) -> None:
        """Raise `MissingToolError` when a package is missing."""
        if self.package:
            require(*self.package)


def _pillow(radius: float, percent: int) -> Sharpen:
    return lambda image, _kernel: unsharp_mask(image, radius, percent)


def _opencv(sigma: float, amount: float) -> Sharpen:
    def sharpen(image: F32, _kernel: F64) -> F32:
        cv2 = require("cv2", "bench")
        cv2.setNumThreads(1)  # as Pillow and scipy run
        blurred = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
        return np.asarray(np.clip(cv2.addWeighted(image, 1.0 + amount, blurred, -amount, 0.0), 0, 1), dtype=np.float32)

    return sharpen


def _richardson_lucy(rounds: int) -> Sharpen:
    return lambda image, kernel: richardson_lucy(image, kernel, rounds)


def _wiener(weight: float) -> Sharpen:
    return lambda image, kernel: wiener(image, kernel, weight)


def _total_variation(weight: float) -> Sharpen:
    return lambda image, kernel: total_variation(image, kernel, weight)


_FFT = ("scipy.fft", "bench")
_WIENER_WEIGHTS = (1e-6, 1e-5, 1e-4, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
_TV_WEIGHTS = (0.0001, 0.0003, 0.001, 0.003, 0.01)
"""From no noise at all to noise of 3 % of white: an oracle whose best weight is missing is none."""

CLASSICAL: dict[str, ClassicalMethod] = {
    "unsharp-pillow": ClassicalMethod(
        "unsharp mask, Pillow", False, [(f"{r:g}/{p}", _pillow(r, p)) for r, p in SETTINGS]
    ),
    "unsharp-opencv": ClassicalMethod(
        "unsharp mask, OpenCV",
        False,
        [(f"{s:g}/{a:g}", _opencv(s, a)) for s in (1.0, 2.0) for a in (0.5, 1.0, 1.5)],
        ("cv2", "bench"),
    ),
    "richardson-lucy": ClassicalMethod(
        "Richardson-Lucy", True, [(f"{rounds} rounds", _richardson_lucy(rounds)) for rounds in (5, 10, 20)], _FFT
    ),
    "wiener": ClassicalMethod(
        "Wiener, gradient prior", True, [(f"{weight:g}", _wiener(weight)) for weight in _WIENER_WEIGHTS], _FFT
    ),
    "total-variation": ClassicalMethod(
        "total variation", True, [(f"{weight:g}", _total_variation(weight)) for weight in _TV_WEIGHTS], _FFT
    ),
}
