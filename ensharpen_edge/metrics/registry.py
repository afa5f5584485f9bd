"""Names of the metrics that compare an image with the truth. A new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from numpy.typing import NDArray

from ensharpen_edge.errors import unknown_name
from ensharpen_edge.metrics.fsim import fsim
from ensharpen_edge.metrics.gmsd import gmsd, gradient_similarity
from ensharpen_edge.metrics.lpips import Lpips
from ensharpen_edge.metrics.ms_ssim import ms_ssim
from ensharpen_edge.metrics.psnr import psnr
from ensharpen_edge.metrics.ssim import ssim


class Measure(Protocol):
    """Compares two images (H, W, 3)."""

    def __call__(self, a: NDArray[Any], b: NDArray[Any], *, data_range: float) -> float:
        """The value; `data_range` is that of white."""
        ...


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        title: Title in tables.
        load: Makes the measure; may load a network.
        higher_is_better: Direction.
        digits: Decimals that mean something.
    """

    title: str
    load: Callable[[], Measure]
    higher_is_better: bool = True
    digits: int = 4


METRICS: dict[str, Metric] = {
    "psnr": Metric("PSNR RGB", lambda: psnr, digits=2),
    "psnr-y": Metric("PSNR Y", lambda: partial(psnr, channels="y"), digits=2),
    "ssim": Metric("SSIM", lambda: ssim),
    "ms-ssim": Metric("MS-SSIM", lambda: ms_ssim),
    "lpips": Metric("LPIPS", Lpips, higher_is_better=False),
    "fsim": Metric("FSIMc", lambda: fsim),
    "gmsd": Metric("GMSD", lambda: gmsd, higher_is_better=False),
    "gradients": Metric("gradients", lambda: gradient_similarity),
}


def load_metrics(names: tuple[str, ...]) -> dict[str, Measure]:
    """Return measures by name.

    Raises:
        UsageError: An unknown name.
        MissingToolError: A metric's package is not installed.
    """
    for name in names:
        if name not in METRICS:
            raise unknown_name("metric", name, METRICS)
    return {name: METRICS[name].load() for name in names}
