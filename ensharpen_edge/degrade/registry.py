"""Names of the blurs. A new blur is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ensharpen_edge.degrade.disk_blur import DiskBlurConfig, sample_disk_kernels
from ensharpen_edge.degrade.gaussian_blur import GaussianBlurConfig, sample_gaussian_kernels
from ensharpen_edge.degrade.generalised_gaussian import GeneralisedGaussianConfig, sample_generalised_kernels
from ensharpen_edge.degrade.linear_motion import LinearMotionConfig, sample_linear_motion_kernels
from ensharpen_edge.degrade.sinc_filter import SincConfig, sample_sinc_kernels
from ensharpen_edge.degrade.trajectory_motion import TrajectoryMotionConfig, sample_trajectory_kernels

Sampler = Callable[[int, torch.Generator], Tensor]
"""(count, generator) -> kernels (count, k, k), odd k, each summing to 1."""

BLURS: dict[str, Sampler] = {
    "gaussian": lambda count, source: sample_gaussian_kernels(GaussianBlurConfig(), count, source),
    "generalised gaussian": lambda count, source: sample_generalised_kernels(
        GeneralisedGaussianConfig(), count, source
    ),
    "plateau": lambda count, source: sample_generalised_kernels(
        GeneralisedGaussianConfig("plateau", beta=(1.0, 2.0)), count, source
    ),
    "defocus disk": lambda count, source: sample_disk_kernels(DiskBlurConfig(), count, source),
    "linear motion": lambda count, source: sample_linear_motion_kernels(LinearMotionConfig(), count, source),
    "camera shake": lambda count, source: sample_trajectory_kernels(TrajectoryMotionConfig(), count, source),
    "sinc": lambda count, source: sample_sinc_kernels(SincConfig(), count, source),
}
