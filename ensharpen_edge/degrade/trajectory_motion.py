"""Camera shake: random trajectories with inertia, jerks and a pull back to the start.

The motion model of Boracchi and Foi, Modeling the performance of image restoration from motion blur, 2012, with the
parameters that Kupyn et al. used for DeblurGAN, 2018.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ensharpen_edge.degrade.motion_path import rasterise_paths


@dataclass(frozen=True)
class TrajectoryMotionConfig:
    """Distribution of trajectories.

    Attributes:
        extent: Range of the path's largest distance from its mean, in pixels; the path is scaled to it.
        steps: Samples of the path.
        anxiety: How restless the hand is: scales jerks and their probability (`expl` of the original: 0.003 to 0.01).
        centripetal: Most of the pull towards the start, per step.
        jerk: Most of the probability scale of a big jerk.
        tremor: Most of the Gaussian disturbance per step, relative to the jerk scale.
        size: Kernel side, odd, at least `2 * extent + 1`.
    """

    extent: tuple[float, float] = (1.5, 11.0)
    steps: int = 256
    anxiety: tuple[float, float] = (0.003, 0.01)
    centripetal: float = 0.7
    jerk: float = 0.2
    tremor: float = 10.0
    size: int = 25


_ORIGINAL_STEPS = 2000
_ORIGINAL_LENGTH = 60.0
"""Steps and path length of the original. Fewer steps take its jerk rate and pull times the ratio, and its tremor times
the ratio's square root, so that the path turns as much over the whole exposure."""


def sample_trajectories(config: TrajectoryMotionConfig, count: int, generator: torch.Generator) -> Tensor:
    """(count, steps, 2) paths, centred, scaled to their extent in pixels."""
    device = generator.device

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device)

    anxiety = config.anxiety[0] + (config.anxiety[1] - config.anxiety[0]) * uniform(count)
    centripetal, tremor = config.centripetal * uniform(count), config.tremor * uniform(count)
    jerk = config.jerk * uniform(count)
    angle = 2 * math.pi * uniform(count)
    coarser = _ORIGINAL_STEPS / config.steps
    unit = _ORIGINAL_LENGTH / (config.steps - 1)
    chance, turn = uniform(config.steps, count), uniform(config.steps, count)
    noise = torch.view_as_complex(torch.randn(config.steps, count, 2, generator=generator, device=device))
    # Points and velocities are complex numbers: a turn is one product, and the loop has seven operations per step.
    jerked = chance < coarser * jerk * anxiety
    keep = 1.0 + torch.where(jerked, 2.0 * torch.exp(1j * (math.pi + turn - 0.5)), 0.0)
    shake = unit * math.sqrt(coarser) * anxiety * tremor * noise
    pull = unit * coarser * anxiety * centripetal
    velocity = anxiety * torch.exp(1j * angle)
    # On a GPU nearly two thousand tiny operations would be launched one after the other: a CPU does them sooner.
    keep, shake, pull, velocity = (value.cpu() for value in (keep, shake, pull, velocity))
    position = torch.zeros_like(velocity)
    path = [position]
    for step in range(config.steps - 1):
        velocity = unit * torch.sgn(velocity * keep[step] + shake[step] - pull * position)
        position = position + velocity
        path.append(position)
    paths = torch.view_as_real(torch.stack(path, dim=1)).to(device)
    paths = paths - paths.mean(dim=1, keepdim=True)
    reach = paths.norm(dim=-1).amax(dim=1).clamp(min=1e-6)
    low, high = config.extent
    extent = low + (high - low) * uniform(count)
    scaled: Tensor = paths * (extent / reach)[:, None, None]
    return scaled


def sample_trajectory_kernels(config: TrajectoryMotionConfig, count: int, generator: torch.Generator) -> Tensor:
    """Draw (count, size, size) kernels."""
    return rasterise_paths(sample_trajectories(config, count, generator), config.size)
