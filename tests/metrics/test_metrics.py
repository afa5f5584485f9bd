from __future__ import annotations

import math

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from ensharpen_edge.metrics.psnr import luma, psnr
from ensharpen_edge.metrics.retained_gain import retained_gain
from ensharpen_edge.metrics.ssim import ssim


def test_psnr_of_a_known_error(photo):
    shifted = np.clip(photo.astype(int), 0, 245).astype(np.uint8)
    assert psnr(shifted, shifted + 10, data_range=255) == pytest.approx(20 * math.log10(255 / 10), abs=1e-9)
    assert psnr(photo, photo, data_range=255) == math.inf


def test_psnr_matches_scikit_image(photo, rng):
    noisy = np.clip(photo + rng.normal(0, 12, photo.shape), 0, 255)
    expected = peak_signal_noise_ratio(photo, np.rint(noisy).astype(np.uint8), data_range=255)
    assert psnr(noisy, photo, data_range=255) == pytest.approx(expected, abs=1e-9)
    assert psnr(noisy / 255, photo / 255, data_range=1.0) == pytest.approx(expected, abs=1e-9)


def test_psnr_never_guesses_its_range(photo):
    reference = np.full((16, 16, 3), 0.5)
    overshooting = reference.copy()
    overshooting[0, 0, 0] = 1.02
    value = psnr(overshooting, reference, data_range=1.0, rounded=False)
    assert value == pytest.approx(10 * math.log10(1 / (0.52**2 / reference.size)))


def test_rounding_is_what_a_file_holds():
    a = np.full((12, 12, 3), 100.4)
    assert psnr(a, np.full_like(a, 100.0), data_range=255) == math.inf
    assert psnr(a, np.full_like(a, 100.0), data_range=255, rounded=False) < 60


def test_luma_is_studio_range():
    assert luma(np.full((1, 1, 3), 255.0)).item() == pytest.approx(235.0, abs=0.01)
    assert luma(np.zeros((1, 1, 3))).item() == 16.0


def test_luma_psnr_ignores_colour_noise_more(photo, rng):
    noisy = np.clip(photo + rng.normal(0, 10, photo.shape), 0, 255)
    assert psnr(noisy, photo, data_range=255, channels="y") > psnr(noisy, photo, data_range=255) + 1


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="same shape"):
        psnr(np.zeros((4, 4, 3)), np.zeros((4, 5, 3)), data_range=1.0)


def test_ssim_matches_its_definition(photo, rng):
    """Against the formula of the paper, computed here with scipy's Gaussian filter."""
    from scipy.ndimage import gaussian_filter

    a = photo.astype(np.float64)
    b = np.rint(np.clip(a + rng.normal(0, 8, a.shape), 0, 255))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

    def blur(x):
        return gaussian_filter(x, 1.5, truncate=3.5)

    values = []
    for channel in range(3):
        x, y = a[..., channel], b[..., channel]
        mx, my = blur(x), blur(y)
        vx, vy, cov = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
        full = (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
        values.append(full[5:-5, 5:-5].mean())
    assert ssim(a, b, data_range=255) == pytest.approx(np.mean(values), abs=1e-6)
    assert ssim(a, a, data_range=255) == 1.0


def test_ssim_refuses_images_below_its_window():
    with pytest.raises(ValueError, match="11x11"):
        ssim(np.zeros((10, 20, 3)), np.zeros((10, 20, 3)), data_range=1.0)


def test_retained_gain():
    assert retained_gain(28.0, 28.0, 25.0) == 1.0
    assert retained_gain(25.0, 28.0, 25.0) == 0.0
    assert retained_gain(27.97, 28.0, 25.0) == pytest.approx(0.99)
    with pytest.raises(ValueError, match="does not improve"):
        retained_gain(25.0, 25.0, 25.0)
