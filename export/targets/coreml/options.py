"""Options that only Core ML packages have."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ensharpen_edge.errors import UsageError
from ensharpen_edge.export.targets.options import Size, TargetOptions, switch_option, text_option

DEPLOYMENTS = ("iOS16", "iOS17", "iOS18")
"""Oldest systems that a package can be for."""


@dataclass(frozen=True)
class CoremlOptions(TargetOptions):
    """Options of the Core ML target.

    Attributes:
        deployment: Oldest system that the package is for, in `DEPLOYMENTS`, or None for the oldest that can run it.
        more_sizes: Sizes that it takes besides the first one.
        flexible: Whether it takes all sizes between the smallest and the largest of them.
        compiled: Whether its compiled form is wanted beside it.

    Raises:
        UsageError: The system is unknown, or there is nothing for a flexible size to lie between.
    """

    files: ClassVar[str] = "coreml packages"

    deployment: str | None = text_option("--deployment", "Oldest system of a coreml package: iOS16, iOS17, iOS18.")
    more_sizes: tuple[Size, ...] = ()
    flexible: bool = switch_option("--flexible", "A coreml package for all sizes between those of --size.")
    compiled: bool = switch_option("--compile", "Beside a coreml package its .mlmodelc, which needs macOS.")

    def __post_init__(self) -> None:
        if self.deployment is not None and self.deployment not in DEPLOYMENTS:
            raise UsageError(f"unknown system {self.deployment!r}", hint=f"known: {', '.join(DEPLOYMENTS)}")
        if self.flexible and not self.more_sizes:
            raise UsageError("--flexible needs two sizes to lie between", hint="--size 256x256,1024x1024")

    def sizes(self, size: Size | None) -> tuple[Size, ...]:
        """See `TargetOptions.sizes`."""
        return (*super().sizes(size), *self.more_sizes)

    def probed_sizes(self, size: Size | None) -> tuple[Size, ...]:
        """See `TargetOptions.probed_sizes`: of a range also a size in the middle, on the grid of its ends."""
        sizes = self.sizes(size)
        if not self.flexible:
            return sizes
        heights, widths = zip(*sizes, strict=True)
        return (*sizes, (_between(heights), _between(widths)))


def _between(sides: tuple[int, ...]) -> int:
    low, high = min(sides), max(sides)
    grid = math.gcd(low, high)
    return low + (high - low) // grid // 2 * grid


OPTIONS = CoremlOptions
