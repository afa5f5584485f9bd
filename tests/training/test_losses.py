"""Losses against formulas, second implementations, and what they are meant to notice."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy import fft as scipy_fft
from scipy import ndimage

from ensharpen_edge.errors import BadInputError, UsageError
from ensharpen_edge.training.losses.adversarial import (
    AdversarialConfig,
    discriminator,
    discriminator_loss,
    generator_loss,
)
from ensharpen_edge.training.losses.perceptual import PerceptualLoss
from ensharpen_edge.training.losses.registry import LOSSES, LossTerm
from ensharpen_edge.training.losses.vgg_backbone import VggBackbone


@pytest.fixture(scope="module")
def pair(photo) -> tuple[torch.Tensor, torch.Tensor]:
    """A photograph's crops and the same ones blurred, float (2, 3, 64, 64)."""
    tensor = torch.from_numpy(photo.copy()).permute(2, 0, 1).float() / 255
    sharp = torch.stack([tensor[:, 100:164, 100:164], tensor[:, 200:264, 300:364]])
    return torch.nn.functional.avg_pool2d(sharp, 3, stride=1, padding=1), sharp


@pytest.mark.parametrize("kind", [*LOSSES, "perceptual"])
def test_loss_is_zero_for_equals_positive_otherwise_and_weighs_images(kind, pair):
    blurred, sharp = pair
    loss = LossTerm(kind).build()
    assert loss(sharp, sharp, None) == pytest.approx(0.0, abs=2e-3)
    value = loss(blurred, sharp, None)
    assert value > 1e-4
    each = [loss(blurred[i : i + 1], sharp[i : i + 1], None) for i in range(2)]
    weighted = loss(blurred, sharp, torch.tensor([0.5, 0.0]))
    assert weighted == pytest.approx(float(each[0]) * 0.25, rel=1e-4)
    assert loss(blurred, sharp, torch.ones(2)) == pytest.approx(float(value), rel=1e-4)
    prediction = blurred.clone().requires_grad_()
    loss(prediction, sharp, None).backward()
    assert torch.isfinite(prediction.grad).all()
    assert prediction.grad.abs().sum() > 0


def test_fft_loss_is_numpys(pair):
    a, b = pair
    spectrum = np.fft.rfft2((a - b).numpy(), norm="ortho")
    expected = np.stack([np.abs(spectrum.real), np.abs(spectrum.imag)]).mean()
    assert LOSSES["fft"](a, b, None).item() == pytest.approx(expected, rel=1e-4)


def test_dct_loss_is_scipys(pair):
    a, b = pair
    blocks = (a - b).numpy().reshape(2, 3, 8, 8, 8, 8).transpose(0, 1, 2, 4, 3, 5)
    expected = np.abs(scipy_fft.dctn(blocks, axes=(-2, -1), norm="ortho")).mean()
    assert LOSSES["dct"](a, b, None).item() == pytest.approx(expected, rel=1e-4)


def test_edge_losses_are_scipys(pair):
    a, b = pair
    planes = (a - b).numpy().reshape(-1, 64, 64)
    inner = (slice(None), slice(1, -1), slice(1, -1))
    slopes = [np.stack([ndimage.sobel(plane, axis=axis) for plane in planes])[inner] / 8 for axis in (0, 1)]
    assert LOSSES["sobel"](a, b, None).item() == pytest.approx(np.abs(np.stack(slopes)).mean(), rel=1e-4)
    bend = np.stack([ndimage.laplace(plane) for plane in planes])[inner] / 4
    assert LOSSES["laplacian"](a, b, None).item() == pytest.approx(np.abs(bend).mean(), rel=1e-4)


def test_frequency_and_edge_losses_notice_blur_more_than_brightness(pair):
    blurred, sharp = pair
    offset = float((blurred - sharp).abs().mean())
    brighter = sharp + offset
    for kind in ("sobel", "laplacian", "fft"):
        assert LOSSES[kind](blurred, sharp, None) > 1.2 * LOSSES[kind](brighter, sharp, None)


def test_perceptual_loss_takes_the_users_vgg(tmp_path, pair):
    torch.manual_seed(0)
    shapes = {0: (3, 8), 2: (8, 8), 5: (8, 16), 7: (16, 16)}
    state = {}
    for number, (inputs, outputs) in shapes.items():
        state[f"features.{number}.weight"] = torch.randn(outputs, inputs, 3, 3) * 0.2
        state[f"features.{number}.bias"] = torch.zeros(outputs)
    save_file(state, tmp_path / "vgg.safetensors")
    backbone = VggBackbone(tmp_path / "vgg.safetensors")
    assert backbone.pooled_before == (2,)
    assert [tuple(f.shape[1:]) for f in backbone(pair[0])] == [(8, 64, 64), (16, 32, 32)]
    loss = PerceptualLoss(tmp_path / "vgg.safetensors")
    assert loss(*pair) > 0
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(BadInputError, match="holds no VGG"):
        VggBackbone(tmp_path / "other.safetensors")
    with pytest.raises(BadInputError, match="not a safetensors"):
        VggBackbone(tmp_path / "none.safetensors")


@pytest.mark.parametrize("kind", ["patch", "unet"])
def test_discriminator_learns_to_tell_blurred_from_sharp(kind, pair):
    torch.manual_seed(0)
    blurred, sharp = pair
    judge = discriminator(AdversarialConfig(kind, width=8))
    optimizer = torch.optim.Adam(judge.parameters(), lr=2e-3)
    losses = []
    for _ in range(80):
        loss = discriminator_loss(judge(sharp), judge(blurred))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    assert generator_loss(judge(blurred)) > generator_loss(judge(sharp))
    assert judge(sharp).shape[-2:] == ((8, 8) if kind == "patch" else (64, 64))


def test_adversarial_weight_warms_up_and_is_bounded():
    config = AdversarialConfig(weight=0.004, warm_up=0.25)
    assert [config.weight_at(s) for s in (0.0, 0.2, 0.5, 1.0)] == pytest.approx([0, 0, 0.004, 0.004])
    assert config.weight_at(0.375) == pytest.approx(0.002)
    for change in ({"weight": 0.006}, {"weight": 0.0}, {"warm_up": 1.0}):
        with pytest.raises(UsageError):
            AdversarialConfig(**change)


def test_unknown_terms_are_refused():
    with pytest.raises(UsageError, match="Did you mean 'charbonnier'"):
        LossTerm("charbonier")
    with pytest.raises(UsageError):
        LossTerm("l1", -1.0)
