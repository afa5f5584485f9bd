from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from ensharpen_edge.degrade.convolve import convolve
from ensharpen_edge.degrade.gaussian_blur import GaussianBlurConfig, gaussian_kernels, sample_gaussian_kernels


def kernel(sigma_x: float, sigma_y: float, angle: float = 0.0, size: int = 25) -> torch.Tensor:
    return gaussian_kernels(torch.tensor([sigma_x]), torch.tensor([sigma_y]), torch.tensor([angle]), size)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 1.6, 3.0])
def test_kernel_has_the_wanted_width(sigma):
    k = kernel(sigma, sigma)[0].double()
    axis = torch.arange(25) - 12.0
    assert k.sum() == pytest.approx(1.0, abs=1e-6)
    if sigma >= 1.0:  # below, the sampled kernel is narrower than the continuous one
        assert math.sqrt(float((k.sum(0) * axis**2).sum())) == pytest.approx(sigma, rel=2e-3)


def test_rotation_turns_the_long_axis():
    upright, turned = kernel(3.0, 1.0)[0], kernel(3.0, 1.0, math.pi / 2)[0]
    assert torch.allclose(turned, upright.t(), atol=1e-6)
    assert upright[12].sum() > upright[:, 12].sum()


@pytest.mark.parametrize(("border", "mode"), [("reflect", "mirror"), ("circular", "wrap")])
def test_convolution_matches_scipy(border, mode, photo):
    image = photo[:70, :90].astype(np.float64) / 255
    k = kernel(2.0, 1.0, 0.4)
    ours = convolve(torch.from_numpy(image.transpose(2, 0, 1)[None]), k.double(), border)
    for channel in range(3):
        theirs = ndimage.convolve(image[:, :, channel], k[0].double().numpy(), mode=mode)
        assert np.abs(ours[0, channel].numpy() - theirs).max() < 1e-9


def test_valid_is_the_inside_of_any_border():
    images, k = torch.rand(3, 3, 64, 48), torch.cat([kernel(s, s) for s in (0.5, 1.5, 2.5)])
    inside = convolve(images, k, "reflect")[..., 12:-12, 12:-12]
    assert torch.allclose(convolve(images, k, "valid"), inside, atol=1e-5)


def test_unfit_kernels_are_refused():
    with pytest.raises(ValueError, match="does not fit"):
        convolve(torch.rand(1, 3, 20, 64), kernel(1.0, 1.0), "valid")
    with pytest.raises(ValueError, match="k odd"):
        convolve(torch.rand(1, 3, 64, 64), torch.ones(1, 4, 4) / 16)


def test_sampling_is_seeded_and_in_range():
    config = GaussianBlurConfig(sigma=(0.5, 2.0), anisotropic=0.5)
    a = sample_gaussian_kernels(config, 64, torch.Generator().manual_seed(3))
    b = sample_gaussian_kernels(config, 64, torch.Generator().manual_seed(3))
    assert torch.equal(a, b)
    axis = torch.arange(25) - 12.0
    variance = (a.sum(1) * axis**2).sum(1)
    assert variance.max() <= 2.0**2 * 1.01
