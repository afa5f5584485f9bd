"""Names of the blurs. A new blur is one file and one line here."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ensharpen_edge.degrade.disk_blur import DiskBlurConfig, sample_disk_kernels
from ensharpen_edge.degrade.gaussian_blur import GaussianBlurConfig, sample_gaussian_kernels
from ensharpen_edge.degrade.generalised_gaussian import GeneralisedGaussianConfig, sample_generalised_kernels
from ensharpen_edge.degrade.linear_motion import LinearMotionConfig, sample_linear_motion_kernels
from ensharpen_edge.degrade.moffat_blur import MoffatBlurConfig, sample_moffat_kernels
from ensharpen_edge.degrade.sinc_filter import SincConfig, sample_sinc_kernels
from ensharpen_edge.degrade.trajectory_motion import TrajectoryMotionConfig, sample_trajectory_kernels
from ensharpen_edge.errors import UsageError, unknown_name

KERNEL_SIZE = 25
"""Side that all sampled kernels are padded to, so that one batch can mix blurs."""


@dataclass(frozen=True)
class Blur:
    """One kind of blur.

    Attributes:
        config: Its distribution; a frozen data class with a `size`.
        sample: (config, count, generator) -> kernels (count, size, size), each summing to 1.
        extent: Name of the config's range that says how wide the blur is.
        weak_end: 0 when the first value of that range is the weakest blur, 1 when the last one is.
        largest: Largest value of that range; a wider kernel would not fit its size.
    """

    config: Any
    sample: Callable[[Any, int, torch.Generator], Tensor]
    extent: str
    largest: float
    weak_end: int = 0

    def check_extent(self, ends: tuple[float, float]) -> None:
        """Raise `UsageError` unless the range is two ascending positive numbers that fit the kernel."""
        if not 0.0 < ends[0] <= ends[1] <= self.largest:
            raise UsageError(f"{self.extent} must be two ascending numbers from 0 to {self.largest:g}, got {ends}")

    def kernels(
        self, count: int, generator: torch.Generator, strength: float = 1.0, extent: tuple[float, float] | None = None
    ) -> Tensor:
        """Draw (count, KERNEL_SIZE, KERNEL_SIZE) kernels.

        Args:
            count: How many.
            generator: Source of randomness; the kernels are on its device.
            strength: 1 draws from the whole range, 0 only its weakest value.
            extent: Another range than the config's own.

        Raises:
            UsageError: See `check_extent`.
        """
        ends = list(extent or getattr(self.config, self.extent))
        self.check_extent((ends[0], ends[1]))
        weak, strong = self.weak_end, 1 - self.weak_end
        ends[strong] = ends[weak] + strength * (ends[strong] - ends[weak])
        drawn = self.sample(dataclasses.replace(self.config, **{self.extent: tuple(ends)}), count, generator)
        margin = (KERNEL_SIZE - drawn.shape[-1]) // 2
        return F.pad(drawn, (margin,) * 4)


BLURS: dict[str, Blur] = {
    "gaussian": Blur(GaussianBlurConfig(), sample_gaussian_kernels, "sigma", 6.0),
    "isotropic gaussian": Blur(GaussianBlurConfig(anisotropic=0.0), sample_gaussian_kernels, "sigma", 6.0),
    "anisotropic gaussian": Blur(GaussianBlurConfig(anisotropic=1.0), sample_gaussian_kernels, "sigma", 6.0),
    "generalised gaussian": Blur(GeneralisedGaussianConfig(), sample_generalised_kernels, "sigma", 6.0),
    "plateau": Blur(GeneralisedGaussianConfig("plateau", beta=(1.0, 2.0)), sample_generalised_kernels, "sigma", 6.0),
    "moffat": Blur(MoffatBlurConfig(), sample_moffat_kernels, "width", 12.0),
    "defocus disk": Blur(DiskBlurConfig(), sample_disk_kernels, "radius", 12.0),
    "linear motion": Blur(LinearMotionConfig(), sample_linear_motion_kernels, "length", 24.0),
    "camera shake": Blur(TrajectoryMotionConfig(), sample_trajectory_kernels, "extent", 12.0),
    "sinc": Blur(SincConfig(), sample_sinc_kernels, "cutoff", math.pi, weak_end=1),
}


@dataclass(frozen=True)
class BlurChoice:
    """One blur of a mix.

    Attributes:
        kind: Name in `BLURS`.
        weight: How often it is drawn, relative to the others.
        extent: Range of its width in pixels (of a sinc: cut-off in radians), or None for the blur's own.
    """

    kind: str
    weight: float = 1.0
    extent: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.kind not in BLURS:
            raise unknown_name("blur", self.kind, BLURS)
        if not 0.0 <= self.weight < float("inf"):
            raise UsageError(f"the weight of blur {self.kind!r} must be a number from 0, got {self.weight}")
        if self.extent is not None:
            BLURS[self.kind].check_extent(self.extent)


def sample_kernels(
    choices: tuple[BlurChoice, ...], count: int, generator: torch.Generator, strength: float = 1.0
) -> Tensor:
    """Draw (count, KERNEL_SIZE, KERNEL_SIZE) kernels, the kinds in proportion to their weights."""
    device = generator.device
    kernels = torch.zeros(count, KERNEL_SIZE, KERNEL_SIZE, device=device)
    weights = torch.tensor([choice.weight for choice in choices], device=device)
    drawn = torch.multinomial(weights, count, replacement=True, generator=generator)
    for index, choice in enumerate(choices):
        where = (drawn == index).nonzero().flatten()
        if len(where):
            blur = BLURS[choice.kind]
            kernels[where] = blur.kernels(len(where), generator, strength, choice.extent)
    return kernels


def kernel_width(kernels: Tensor) -> Tensor:
    """(N,) standard deviation of each kernel (N, k, k) in pixels, the mean of both axes; 0 for no blur.

    Negative weights, as a sinc has, count as they are; the result is then clipped at 0.
    """
    axis = torch.arange(kernels.shape[-1], dtype=kernels.dtype, device=kernels.device) - kernels.shape[-1] // 2
    variance = []
    for profile in (kernels.sum(dim=1), kernels.sum(dim=2)):
        mean = (profile * axis).sum(dim=1, keepdim=True)
        variance.append((profile * (axis - mean) ** 2).sum(dim=1))
    return (0.5 * (variance[0] + variance[1])).clamp(min=0.0).sqrt()
