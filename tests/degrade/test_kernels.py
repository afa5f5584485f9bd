"""Every blur kernel is a proper one: sums to 1, is centred, is as wide as it says, and is drawn by seed."""

from __future__ import annotations

import math

import pytest
import torch

from ensharpen_edge.degrade.disk_blur import disk_kernels
from ensharpen_edge.degrade.gaussian_blur import gaussian_kernels
from ensharpen_edge.degrade.generalised_gaussian import (
    generalised_kernels,
)
from ensharpen_edge.degrade.linear_motion import (
    linear_motion_kernels,
)
from ensharpen_edge.degrade.registry import BLURS
from ensharpen_edge.degrade.sinc_filter import sinc_kernels
from ensharpen_edge.degrade.trajectory_motion import (
    TrajectoryMotionConfig,
    sample_trajectories,
    sample_trajectory_kernels,
)


def moments(kernels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Centre of mass (N, 2), x then y, from the centre pixel, and variance (N, 2)."""
    axis = torch.arange(kernels.shape[-1]) - kernels.shape[-1] // 2.0
    columns, rows = kernels.sum(dim=1), kernels.sum(dim=2)
    mean = torch.stack([(columns * axis).sum(1), (rows * axis).sum(1)], dim=1)
    square = torch.stack([(columns * axis**2).sum(1), (rows * axis**2).sum(1)], dim=1)
    return mean, square - mean**2


@pytest.mark.parametrize("name", BLURS)
def test_kernels_are_normalised_centred_and_seeded(name):
    kernels = BLURS[name].kernels(64, torch.Generator().manual_seed(0))
    assert kernels.shape[-1] % 2 == 1
    assert torch.allclose(kernels.sum(dim=(1, 2)), torch.ones(64), atol=1e-4)
    assert moments(kernels)[0].abs().max() < 0.05
    assert torch.equal(kernels, BLURS[name].kernels(64, torch.Generator().manual_seed(0)))
    assert not torch.equal(kernels, BLURS[name].kernels(64, torch.Generator().manual_seed(1)))
    if name != "sinc":
        assert kernels.min() >= 0.0


def test_a_disk_smaller_than_the_grid_leaves_the_image():
    kernels = disk_kernels(torch.tensor([0.05, 2.0]), 25)
    assert torch.isfinite(kernels).all()
    assert kernels[0, 12, 12] == kernels[0].sum() == 1.0


def test_generalised_gaussian_of_exponent_one_is_the_gaussian():
    sigma_x, sigma_y, angle = torch.tensor([2.0]), torch.tensor([1.2]), torch.tensor([0.6])
    ours = generalised_kernels(sigma_x, sigma_y, angle, torch.ones(1), 25, "generalised")
    assert torch.allclose(ours, gaussian_kernels(sigma_x, sigma_y, angle, 25), atol=1e-6)


def test_a_high_exponent_flattens_the_top():
    sigma, zero = torch.tensor([3.0]), torch.zeros(1)
    flat = generalised_kernels(sigma, sigma, zero, torch.tensor([4.0]), 25, "generalised")[0]
    round_ = generalised_kernels(sigma, sigma, zero, torch.tensor([1.0]), 25, "generalised")[0]
    assert flat[12, 14] / flat[12, 12] > 0.95 > round_[12, 14] / round_[12, 12]


@pytest.mark.parametrize("radius", [2.5, 4.0, 6.0])
def test_disk_has_the_variance_of_a_disk(radius):
    """The variance of a uniform disk along one axis is r^2 / 4; the pixels it is sampled on add up to 1/12."""
    variance = moments(disk_kernels(torch.tensor([radius]), 25))[1]
    assert variance[0].tolist() == pytest.approx([radius**2 / 4] * 2, abs=0.2)


def test_linear_motion_lies_along_its_angle():
    kernel = linear_motion_kernels(torch.tensor([12.0, 12.0]), torch.tensor([0.0, math.pi / 2]), 25)
    variance = moments(kernel)[1]
    assert variance[0].tolist() == pytest.approx([12**2 / 12, 0.0], abs=0.3)
    assert variance[1].tolist() == pytest.approx([0.0, 12**2 / 12], abs=0.3)


def test_trajectories_are_connected_and_as_far_as_they_say():
    config = TrajectoryMotionConfig(extent=(5.0, 5.0))
    paths = sample_trajectories(config, 32, torch.Generator().manual_seed(0))
    assert torch.allclose(paths.norm(dim=-1).amax(dim=1), torch.full((32,), 5.0), atol=1e-4)
    steps = (paths[:, 1:] - paths[:, :-1]).norm(dim=-1)
    assert torch.allclose(steps, steps[:, :1].expand_as(steps), rtol=1e-3), "constant speed"
    assert steps.max() < 1.0, "no gaps between samples"


def test_trajectories_are_not_all_lines():
    kernels = sample_trajectory_kernels(TrajectoryMotionConfig(), 64, torch.Generator().manual_seed(0))
    centred = moments(kernels)[1]
    ratio = centred.min(dim=1).values / centred.max(dim=1).values
    assert ratio.median() > 0.05


def test_sinc_passes_low_frequencies_and_stops_high_ones():
    kernel = sinc_kernels(torch.tensor([math.pi / 2]), 41)[0]
    spectrum = torch.fft.rfft2(kernel, s=(64, 64)).abs()
    assert spectrum[0, 4] == pytest.approx(1.0, abs=0.1)
    assert spectrum[0, 30] < 0.1
