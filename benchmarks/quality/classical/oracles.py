"""Classical methods that are told the true kernel: bounds for methods that have to guess it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ensharpen_edge.benchmarks.quality.classical.methods import CLASSICAL, Sharpen
from ensharpen_edge.benchmarks.quality.scoring import Method
from ensharpen_edge.errors import unknown_name

ORACLES = tuple(name for name, peer in CLASSICAL.items() if peer.oracle)


def check_oracles(names: Iterable[str]) -> None:
    """Refuse what cannot be asked.

    Raises:
        UsageError: An oracle is unknown.
        MissingToolError: Its package is not installed.
    """
    for name in names:
        if name not in ORACLES:
            raise unknown_name("oracle", name, ORACLES)
        CLASSICAL[name].check_available()


def oracle_methods(names: Sequence[str], kernel: NDArray[np.float64] | None) -> dict[str, dict[str, Method]]:
    """Return methods by title and setting that are told this kernel; none where there is no kernel to tell."""
    if kernel is None:
        return {}
    return {
        f"oracle {CLASSICAL[name].title}": {
            setting: _told(sharpen, kernel) for setting, sharpen in CLASSICAL[name].settings
        }
        for name in names
    }


def _told(sharpen: Sharpen, kernel: NDArray[np.float64]) -> Method:
    return lambda image: sharpen(image, kernel)
