from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from ensharpen_edge.degrade.colour_cast import ColourCastConfig, sample_and_cast
from ensharpen_edge.degrade.linear_light import from_linear, to_linear
from ensharpen_edge.degrade.mix import MARGIN, DegradationMix, DegradedBatch, degrade, mix_from_dict
from ensharpen_edge.degrade.mixes import MIXES
from ensharpen_edge.degrade.noise import GaussianNoiseConfig, add_noise, sample_noise_levels
from ensharpen_edge.degrade.noise_registry import NOISES, NoiseChoice, apply_noises
from ensharpen_edge.degrade.registry import BLURS, BlurChoice, kernel_width, sample_kernels
from ensharpen_edge.degrade.second_order import Pass, SecondOrderConfig, second_order
from ensharpen_edge.errors import BadInputError, UsageError


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


def draw(mix: DegradationMix, sharp: torch.Tensor, seed: int = 0, strength: float = 1.0) -> DegradedBatch:
    return degrade(sharp, mix, torch.Generator().manual_seed(seed), strength)


@pytest.fixture(scope="module")
def crops(photo) -> torch.Tensor:
    """Eight crops of a photograph, 88 pixels a side."""
    tensor = torch.from_numpy(photo.copy()).permute(2, 0, 1).float() / 255
    return torch.stack([tensor[:, 30 * i : 30 * i + 88, 40 * i : 40 * i + 88] for i in range(8)])


def test_mix_keeps_target_and_input_aligned(crops):
    batch = draw(DegradationMix(identity=1.0), crops)
    assert torch.equal(batch.target, crops[..., MARGIN:-MARGIN, MARGIN:-MARGIN])
    assert torch.equal(batch.degraded, batch.target)
    assert batch.blur.eq(0).all()
    assert batch.noise.eq(0).all()


@pytest.mark.parametrize("name", MIXES)
def test_every_mix_is_seeded_degrades_and_stays_in_range(name, crops):
    mix = dataclasses.replace(MIXES[name], identity=0.0, eight_bit=1.0)
    first, second, other = draw(mix, crops, 5), draw(mix, crops, 5), draw(mix, crops, 6)
    assert torch.equal(first.degraded, second.degraded)
    assert not torch.equal(first.degraded, other.degraded)
    assert first.degraded.shape == first.target.shape == (8, 3, 64, 64)
    assert (first.degraded - first.target).abs().mean() > 0.005
    assert 0.0 <= first.degraded.min() <= first.degraded.max() <= 1.0


@pytest.mark.parametrize("name", MIXES)
def test_strength_scales_the_damage(name, crops):
    mix = dataclasses.replace(MIXES[name], identity=0.0, eight_bit=0.0, jpeg=0.0, linear_light=0.0)
    many = crops.repeat(4, 1, 1, 1)
    damage = [float((draw(mix, many, 3, s).degraded - draw(mix, many, 3, s).target).square().mean()) for s in (0.1, 1)]
    assert damage[1] > 1.5 * damage[0]


def test_batch_says_what_was_done(crops):
    mix = DegradationMix(
        (BlurChoice("isotropic gaussian", extent=(2.0, 2.0)),), (NoiseChoice("none"),),
        identity=0.0, eight_bit=0.0, linear_light=0.0,
    )  # fmt: skip
    batch = draw(mix, crops)
    assert torch.allclose(batch.blur, torch.full((8,), 2.0), atol=0.02)
    assert torch.equal(batch.degraded, batch.blurred)
    assert batch.noise.max() < 1e-6
    noisy = draw(dataclasses.replace(mix, noises=(NoiseChoice("gaussian"),)), crops)
    assert torch.allclose(noisy.noise, (noisy.degraded - noisy.blurred).std(dim=(1, 2, 3)))
    twice = draw(dataclasses.replace(mix, twice=1.0), crops)
    assert twice.blur.isnan().all()
    assert torch.equal(twice.blurred, twice.target)


def test_linear_light_brightens_blurred_edges():
    edge = torch.zeros(4, 3, 64, 64)
    edge[..., 32:] = 1.0
    quiet = DegradationMix(noises=(NoiseChoice("none"),), identity=0.0)
    linear = draw(dataclasses.replace(quiet, linear_light=1.0), edge, 1).degraded
    gamma = draw(dataclasses.replace(quiet, linear_light=0.0), edge, 1).degraded
    assert linear.mean() > gamma.mean() + 0.005


def test_kinds_are_drawn_by_weight():
    choices = (BlurChoice("isotropic gaussian", 3.0, (0.3, 0.3)), BlurChoice("defocus disk", 1.0, (6.0, 6.0)))
    widths = kernel_width(sample_kernels(choices, 4000, torch.Generator().manual_seed(0)))
    assert (widths > 1.0).float().mean() == pytest.approx(0.25, abs=0.03)


def test_noise_kinds_differ_as_they_should(crops):
    flat = torch.full((64, 3, 64, 64), 0.4)
    for kind in NOISES:
        noisy = apply_noises(flat, (NoiseChoice(kind),), torch.Generator().manual_seed(0))
        difference = noisy - flat
        if kind == "none":
            assert torch.equal(noisy, flat)
            continue
        loud = difference.std(dim=(1, 2, 3)) > 1e-4
        assert loud.float().mean() > 0.5
        same = (difference[loud][:, 0] - difference[loud][:, 1]).abs().amax(dim=(1, 2)) < 1e-6
        assert bool(same.all()) == (kind == "grey gaussian")


def test_noise_extents_are_in_code_values():
    flat = torch.full((8, 3, 128, 128), 0.5)
    drawn = apply_noises(flat, (NoiseChoice("gaussian", extent=(20.0, 20.0)),), torch.Generator().manual_seed(0))
    levels = (drawn - flat).std(dim=(1, 2, 3)) * 255
    assert ((levels == 0) | ((levels - 20).abs() < 0.5)).all()
    assert levels.max() > 19


def test_second_order_degrades_every_way(crops):
    degraded = second_order(crops, SecondOrderConfig(), torch.Generator().manual_seed(0), 1.0)
    assert degraded.shape == crops.shape
    assert (degraded * 255).frac().abs().min() == 0.0
    gains = (degraded - crops).square().mean(dim=(1, 2, 3))
    assert gains.min() > 1e-4
    weak = second_order(crops, SecondOrderConfig(), torch.Generator().manual_seed(0), 0.0)
    assert (weak - crops).square().mean() < (degraded - crops).square().mean()


def test_colour_casts_change_colours_not_structure(crops):
    cast = sample_and_cast(crops, ColourCastConfig(), torch.Generator().manual_seed(0))
    assert 0.0 <= cast.min() <= cast.max() <= 1.0
    assert (cast - crops).abs().mean(dim=(1, 2, 3)).min() > 0.005
    same = ColourCastConfig(gain=(1.0, 1.0), gamma=(1.0, 1.0), saturation=(1.0, 1.0))
    assert torch.allclose(sample_and_cast(crops, same, torch.Generator().manual_seed(0)), crops, atol=1e-6)
    grey = dataclasses.replace(same, saturation=(0.0, 0.0))
    colours = sample_and_cast(crops, grey, torch.Generator().manual_seed(0))
    assert torch.allclose(colours[:, 0], colours[:, 2], atol=1e-6)


@pytest.mark.parametrize("name", MIXES)
def test_a_mix_on_a_card_is_the_mix(name):
    card = json.loads(json.dumps(MIXES[name].to_dict()))
    assert mix_from_dict(card) == MIXES[name]
    del card["eight_bit"]
    assert mix_from_dict(card) == dataclasses.replace(MIXES[name], eight_bit=DegradationMix().eight_bit)
    with pytest.raises(BadInputError, match="not a mix"):
        mix_from_dict({"blurs": [{"kind": "fog"}]})


@pytest.mark.parametrize(
    "make",
    [
        lambda: BlurChoice("gausian"),
        lambda: BlurChoice("gaussian", -1.0),
        lambda: NoiseChoice("hum"),
        lambda: NoiseChoice("gaussian", float("nan")),
        lambda: NoiseChoice("gaussian", extent=(5.0, 1.0)),
        lambda: NoiseChoice("poisson", extent=(0.0, 100.0)),
        lambda: NoiseChoice("none", extent=(1.0, 2.0)),
        lambda: DegradationMix(identity=1.5),
        lambda: Pass((2.0, 1.0), 1.0, 0.2, 0.7, (0.35, 1.5), (1.0, 30.0), (0.05, 3.0)),
        lambda: Pass((0.2, 3.0), 1.0, 0.6, 0.7, (0.35, 1.5), (1.0, 30.0), (0.05, 3.0)),
        lambda: Pass((0.2, 3.0), 1.0, 0.2, 0.7, (0.0, 1.5), (1.0, 30.0), (0.05, 3.0)),
        lambda: DegradationMix(blurs=(BlurChoice("gaussian", 0.0),)),
        lambda: BLURS["defocus disk"].kernels(1, torch.Generator(), extent=(1.0, 20.0)),
        lambda: BLURS["gaussian"].kernels(1, torch.Generator(), extent=(2.0, 1.0)),
    ],
)
def test_impossible_mixes_are_refused(make):
    with pytest.raises(UsageError):
        make()
