from __future__ import annotations

import pytest
import torch

from ensharpen_edge.degrade.linear_light import from_linear, to_linear
from ensharpen_edge.degrade.mix import DegradationMix, degrade
from ensharpen_edge.degrade.noise import GaussianNoiseConfig, add_noise, sample_noise_levels


def test_transfer_curve_round_trips_and_meets_known_values():
    codes = torch.linspace(0, 1, 256)
    assert torch.allclose(from_linear(to_linear(codes)), codes, atol=1e-5)
    assert to_linear(torch.tensor(0.5)).item() == pytest.approx(0.21404, abs=1e-4)


def test_noise_has_the_wanted_level():
    levels = torch.tensor([0.0, 0.01, 0.04])
    noisy = add_noise(torch.full((3, 3, 200, 200), 0.5), levels, torch.Generator().manual_seed(0))
    assert torch.allclose(noisy.std(dim=(1, 2, 3)), levels, rtol=0.02, atol=1e-6)
    assert torch.equal(noisy[0], torch.full((3, 200, 200), 0.5))


def test_noise_levels_follow_their_distribution():
    config = GaussianNoiseConfig(sigma=(0.01, 0.05), clean=0.25)
    levels = sample_noise_levels(config, 4000, torch.Generator().manual_seed(0))
    assert (levels == 0).float().mean() == pytest.approx(0.25, abs=0.03)
    assert levels[levels > 0].min() >= 0.01
    assert levels.max() <= 0.05


def test_mix_keeps_target_and_input_aligned():
    sharp = torch.rand(8, 3, 64, 64)
    degraded, target = degrade(sharp, DegradationMix(identity=1.0), torch.Generator().manual_seed(0))
    assert torch.equal(target, sharp[..., 12:-12, 12:-12])
    assert torch.equal(degraded, target)


def test_mix_is_seeded_and_degrades():
    sharp, mix = torch.rand(8, 3, 64, 64), DegradationMix(identity=0.0, eight_bit=1.0)
    first, target = degrade(sharp, mix, torch.Generator().manual_seed(5))
    second, _ = degrade(sharp, mix, torch.Generator().manual_seed(5))
    assert torch.equal(first, second)
    assert (first - target).abs().mean() > 0.05
    assert torch.allclose(first * 255, (first * 255).round(), atol=1e-4)
    assert first.min() >= 0.0
    assert first.max() <= 1.0


def test_linear_light_brightens_blurred_edges():
    edge = torch.zeros(4, 3, 64, 64)
    edge[..., 32:] = 1.0
    quiet = GaussianNoiseConfig(clean=1.0)
    linear, _ = degrade(
        edge, DegradationMix(noise=quiet, linear_light=1.0, identity=0.0), torch.Generator().manual_seed(1)
    )
    gamma, _ = degrade(
        edge, DegradationMix(noise=quiet, linear_light=0.0, identity=0.0), torch.Generator().manual_seed(1)
    )
    assert linear.mean() > gamma.mean() + 0.005
