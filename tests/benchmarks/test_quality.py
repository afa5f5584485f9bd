"""The evaluation protocol reproduces published conditions, and the command prints what it measured."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from ensharpen_edge.benchmarks.protocol import GaussianCase, blur_circular, degrade, gaussian_kernel
from ensharpen_edge.benchmarks.unsharp import unsharp_mask
from ensharpen_edge.metrics.psnr import psnr
from ensharpen_edge.models.checkpoint import shipped_models


def test_blur_matches_scipy(photo):
    image = photo[:90, :101].astype(np.float64)
    kernel = gaussian_kernel(1.6)
    ours = blur_circular(image, kernel)
    theirs = np.stack([ndimage.convolve(image[..., c], kernel, mode="wrap") for c in range(3)], axis=-1)
    assert np.abs(ours - theirs).max() < 1e-9


def test_degradation_is_seeded_and_not_clipped(photo):
    case = GaussianCase(1.6, 30.0)
    first = degrade(photo, case)
    assert np.array_equal(first, degrade(photo, case))
    assert first.max() > 1.0
    quiet = degrade(photo, GaussianCase(1.6, 0.0))
    assert (first - quiet).std() * 255 == pytest.approx(30.0, rel=0.02)


def test_unsharp_mask_sharpens(photo):
    soft = degrade(photo, GaussianCase(1.6, 0.0))
    target = photo / np.float32(255)
    assert psnr(unsharp_mask(soft, 2.0, 100), target, data_range=1.0) > psnr(soft, target, data_range=1.0) + 0.5


def test_quality_command(command, artifact, photo_folder):
    done = command("ensharpen-bench", "quality", artifact.path, "--data", photo_folder, "--json")
    assert done.returncode == 0, done.stderr
    degraded, unsharp, ours = json.loads(done.stdout)
    assert degraded["method"] == "degraded"
    assert unsharp["method"].startswith("unsharp")
    assert ours["psnr_rgb"] > unsharp["psnr_rgb"] + 0.8 > degraded["psnr_rgb"]
    assert ours["ssim"] > unsharp["ssim"]
    assert len(ours["per_image"]) == 5


def test_scores_are_recorded_on_the_card_of_the_same_weights(command, artifact, photo_folder, tmp_path):
    shipped = shipped_models()["nano"].with_suffix(".json")
    card = tmp_path / "nano.json"
    card.write_text(json.dumps({**json.loads(shipped.read_text()), "scores": []}))
    arguments = ("quality", artifact.path, "--data", photo_folder, "--card", card)
    for _ in range(2):
        assert command("ensharpen-bench", *arguments).returncode == 0
    (entry,) = json.loads(card.read_text())["scores"]
    assert entry["psnr_rgb"] > entry["psnr_degraded"] + 1
    assert "--blur 1.6 --noise 2.55" in entry["command"]
    card.write_text(json.dumps({"sha256": "0" * 64, "scores": []}))
    done = command("ensharpen-bench", *arguments)
    assert done.returncode == 8
    assert "other weights" in done.stderr


def test_quality_command_without_photographs(command, artifact, tmp_path):
    done = command("ensharpen-bench", "quality", artifact.path, "--data", tmp_path)
    assert done.returncode == 9
    assert "no photographs" in done.stderr


def test_static_artifacts_are_measured_in_their_windows(command, artifact, static_artifact, photo_folder):
    done = command("ensharpen-bench", "quality", static_artifact.path, artifact.path, "--data", photo_folder, "--json")
    assert done.returncode == 0, done.stderr
    *_, fixed, free = json.loads(done.stdout)
    assert fixed["method"] != free["method"], "both are shown, though their folders have one name"
    assert fixed["per_image"] == free["per_image"]


def test_photographs_below_the_kernel_are_refused(command, artifact, tmp_path, photo):
    Image.fromarray(photo[:20, :20]).save(tmp_path / "small.png")
    done = command("ensharpen-bench", "quality", artifact.path, "--data", tmp_path)
    assert done.returncode == 9
    assert "small.png" in done.stderr


def test_overhead_command_reports_ratios(command, artifact, photo_folder):
    """That it runs and reports; the figures themselves depend on the machine and are not tested."""
    done = command(
        "ensharpen-bench", "overhead", artifact.path, "--photo", photo_folder / "raft.png",
        "--megapixels", 0.5, "--memory-megapixels", 2, "--tile", 256, "--rounds", 1, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [row["tiling"] for row in report["overhead"]] == ["off", "256"]
    assert all(row["pipeline_ratio"] > 0.5 for row in report["overhead"])
    assert 50 < report["peak_mib"] < 2000
