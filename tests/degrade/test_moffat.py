"""Moffat kernels are as wide as they say, and have the tails that a Gaussian lacks."""

from __future__ import annotations

import pytest
import torch

from ensharpen_edge.degrade.gaussian_blur import gaussian_kernels
from ensharpen_edge.degrade.moffat_blur import moffat_kernels


@pytest.mark.parametrize("beta", [1.5, 2.5, 4.0])
def test_half_the_maximum_is_reached_at_half_the_width(beta):
    kernel = moffat_kernels(torch.tensor([6.0]), torch.tensor([beta]), 25)[0]
    assert kernel[12, 15] / kernel[12, 12] == pytest.approx(0.5, abs=1e-5)
    assert torch.allclose(kernel, kernel.t())


def test_tails_are_wider_than_a_gaussian_of_the_same_width():
    width = torch.tensor([4.0])
    moffat = moffat_kernels(width, torch.tensor([2.0]), 25)[0]
    sigma = width / 2.3548
    gaussian = gaussian_kernels(sigma, sigma, torch.zeros(1), 25)[0]
    outside = torch.ones(25, 25, dtype=torch.bool)
    outside[6:19, 6:19] = False
    assert moffat[outside].sum() > 20 * gaussian[outside].sum()


def test_a_large_exponent_is_nearly_a_gaussian():
    width = torch.tensor([5.0])
    sigma = width / 2.3548
    near = moffat_kernels(width, torch.tensor([60.0]), 25)
    assert torch.allclose(near, gaussian_kernels(sigma, sigma, torch.zeros(1), 25), atol=1e-3)
