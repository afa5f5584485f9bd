from __future__ import annotations

import math

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from ensharpen_edge.errors import UsageError
from ensharpen_edge.metrics.noise_gain import noise_gain
from ensharpen_edge.metrics.psnr import luma, psnr
from ensharpen_edge.metrics.registry import METRICS, load_metrics
from ensharpen_edge.metrics.retained_gain import retained_gain
from ensharpen_edge.metrics.slanted_edge import measure_edge, slanted_edge
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


@pytest.fixture(scope="module")
def trio(photo) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A part of a photograph, the same blurred, the same noisy; uint8 (192, 256, 3)."""
    from PIL import Image, ImageFilter

    picture = Image.fromarray(photo).crop((100, 100, 356, 292))
    sharp = np.asarray(picture)
    blurred = np.asarray(picture.filter(ImageFilter.GaussianBlur(1.5)))
    noisy = np.clip(sharp + np.random.default_rng(0).normal(0, 12, sharp.shape), 0, 255).round().astype(np.uint8)
    return sharp, blurred, noisy


REFERENCE = {
    "fsim": (0.789269, 0.932367, 1e-4),
    "gmsd": (0.090563, 0.029995, 1e-5),
    "ms-ssim": (0.926583, 0.967711, 1e-4),
    "lpips": (0.411532, 0.046518, 1e-3),
}
"""Of the blurred and the noisy picture, by second implementations: piq 0.8.0 (LPIPS: lpips 0.1.4, whose weights were
rounded to half precision), and the tolerance."""


@pytest.mark.parametrize("name", REFERENCE)
def test_metric_agrees_with_a_second_implementation(name, trio):
    sharp, blurred, noisy = trio
    measure = METRICS[name].load()
    of_blurred, of_noisy, tolerance = REFERENCE[name]
    assert measure(blurred, sharp, data_range=255) == pytest.approx(of_blurred, abs=tolerance)
    assert measure(noisy, sharp, data_range=255) == pytest.approx(of_noisy, abs=tolerance)


@pytest.mark.parametrize("name", METRICS)
def test_metric_knows_the_better_image_and_its_range(name, trio):
    sharp, blurred, _ = trio
    metric = METRICS[name]
    measure = metric.load()
    half = np.rint((sharp.astype(float) + blurred) / 2)
    worse, better = (measure(image, sharp, data_range=255) for image in (blurred, half))
    assert (better > worse) == metric.higher_is_better
    assert measure(blurred / 255, sharp / 255, data_range=1.0) == pytest.approx(worse, rel=1e-5)
    same = measure(sharp, sharp, data_range=255)
    assert same == (math.inf if name.startswith("psnr") else pytest.approx(float(metric.higher_is_better), abs=1e-6))
    with pytest.raises(ValueError, match="shape"):
        measure(sharp, sharp[1:], data_range=255)


def test_gradient_similarity_matches_its_definition(trio):
    from scipy.ndimage import prewitt

    sharp, blurred, _ = trio

    def gradient(image):
        plane = np.pad(image @ np.array([0.299, 0.587, 0.114]), 1)
        return np.hypot(prewitt(plane, 0) / 3, prewitt(plane, 1) / 3)[1:-1, 1:-1]

    a, b = gradient(sharp), gradient(blurred)
    expected = ((2 * a * b + 170) / (a * a + b * b + 170)).mean()
    assert METRICS["gradients"].load()(sharp, blurred, data_range=255) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("sigma", [0.7, 1.0, 1.6, 2.5])
def test_mtf50_of_a_gaussian_blur_is_its_formula(sigma):
    """Contrast after blur and pixel area is exp(-2 pi^2 s^2 f^2) sinc(f)."""
    from scipy.ndimage import gaussian_filter
    from scipy.optimize import brentq

    expected = brentq(lambda f: math.exp(-2 * (math.pi * sigma * f) ** 2) * np.sinc(f) - 0.5, 1e-3, 0.7)
    profile = measure_edge(gaussian_filter(slanted_edge(), sigma, truncate=6))
    assert profile.mtf50 == pytest.approx(expected, rel=0.01)
    assert profile.overshoot == pytest.approx(0.0, abs=1e-3)
    assert profile.undershoot == pytest.approx(0.0, abs=1e-3)


def test_halos_are_measured():
    from scipy.ndimage import gaussian_filter

    edge = gaussian_filter(slanted_edge(), 1.0)
    haloed = edge + 1.0 * (edge - gaussian_filter(edge, 3.0))
    plain, sharpened = measure_edge(edge), measure_edge(haloed)
    assert sharpened.mtf50 > 1.3 * plain.mtf50
    step = 0.5
    assert sharpened.overshoot == pytest.approx((haloed.max() - 0.75) / step, abs=0.03)
    assert sharpened.undershoot == pytest.approx((0.25 - haloed.min()) / step, abs=0.03)
    with pytest.raises(ValueError, match="no edge"):
        measure_edge(edge[:, ::-1])


def test_noise_gain_of_known_filters():
    assert noise_gain(lambda image: image, 5.0) == pytest.approx(1.0)
    assert noise_gain(lambda image: 0.5 + 2 * (image - 0.5), 5.0) == pytest.approx(2.0, rel=1e-5)

    def average(image):
        from scipy.ndimage import uniform_filter

        return uniform_filter(image, (3, 3, 1))

    assert noise_gain(average, 5.0) == pytest.approx(1 / 3, rel=0.05)


def test_unknown_metrics_are_refused():
    with pytest.raises(UsageError, match="Did you mean 'ssim'"):
        load_metrics(("psnr", "sim"))
