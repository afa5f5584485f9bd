from __future__ import annotations

import pytest
import torch

from ensharpen_edge.degrade.camera_noise import (
    PoissonNoiseConfig,
    ShotReadNoiseConfig,
    add_poisson_noise,
    add_shot_read_noise,
    sample_and_add_poisson,
    sample_and_add_shot_read,
)
from ensharpen_edge.degrade.resize import downsample


def flat(level: float) -> torch.Tensor:
    return torch.full((1, 3, 300, 300), level)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
def test_poisson_variance_is_signal_over_photons(level):
    noisy = add_poisson_noise(
        flat(level), torch.tensor([500.0]), torch.tensor([False]), torch.Generator().manual_seed(0)
    )
    assert noisy.mean().item() == pytest.approx(level, abs=1e-3)
    assert noisy.var().item() == pytest.approx(level / 500, rel=0.02)


def test_grey_noise_is_the_same_in_all_channels():
    noisy = add_poisson_noise(flat(0.5), torch.tensor([200.0]), torch.tensor([True]), torch.Generator().manual_seed(0))
    assert torch.allclose(noisy[:, 0], noisy[:, 1])


@pytest.mark.parametrize("level", [0.0, 0.25, 1.0])
def test_shot_and_read_noise_add_up(level):
    noisy = add_shot_read_noise(
        flat(level), torch.tensor([0.01]), torch.tensor([0.02]), torch.Generator().manual_seed(0)
    )
    assert noisy.var().item() == pytest.approx(0.01 * level + 0.02**2, rel=0.02)


@pytest.mark.parametrize(
    ("sample", "config"),
    [(sample_and_add_poisson, PoissonNoiseConfig()), (sample_and_add_shot_read, ShotReadNoiseConfig())],
)
def test_levels_are_drawn_by_seed(sample, config):
    images = torch.rand(8, 3, 32, 32)
    first = sample(images, config, torch.Generator().manual_seed(2))
    assert torch.equal(first, sample(images, config, torch.Generator().manual_seed(2)))
    assert (first - images).abs().mean() > 1e-3


@pytest.mark.parametrize("kind", ["area", "bilinear", "bicubic"])
@pytest.mark.parametrize("factor", [2, 4])
def test_downsampling_keeps_brightness_and_refuses_odd_sizes(kind, factor):
    images = torch.rand(2, 3, 64, 48)
    small = downsample(images, factor, kind)
    assert small.shape == (2, 3, 64 // factor, 48 // factor)
    assert small.mean().item() == pytest.approx(images.mean().item(), abs=5e-3)
    with pytest.raises(ValueError, match="cannot be divided"):
        downsample(torch.rand(1, 3, 30, 31), 2, kind)
