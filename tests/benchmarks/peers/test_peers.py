"""Classical methods, public networks, and the table they share with artifacts."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from ensharpen_edge.benchmarks.peers.contest import BLIND, ORACLE, SPEED_ONLY, Contest, Standing, run_contest
from ensharpen_edge.benchmarks.peers.networks.registry import NETWORKS, build_network
from ensharpen_edge.benchmarks.peers.pareto import pareto_front, plot_pareto
from ensharpen_edge.benchmarks.quality.classical.deconvolution import richardson_lucy, total_variation, wiener
from ensharpen_edge.benchmarks.quality.classical.methods import CLASSICAL
from ensharpen_edge.benchmarks.quality.protocol import GaussianCase, degrade, gaussian_kernel
from ensharpen_edge.benchmarks.quality.suites import SUITES
from ensharpen_edge.benchmarks.speed.timing import Effort
from ensharpen_edge.metrics.psnr import psnr

pytestmark = pytest.mark.slow

KERNEL = gaussian_kernel(1.6)


@pytest.fixture(scope="module")
def sharp():
    from ensharpen_edge.imaging.bundled import bundled_photos

    return dict(bundled_photos())["kodak23"]


def quality(image, sharp):
    return psnr(image, sharp.astype(np.float32) / np.float32(255), data_range=1.0)


def test_told_the_kernel_they_gain_what_is_known_of_them(sharp):
    """On CBSD68 at blur 1.6, noise 2.55: +1.7 dB for Wiener, more for total variation."""
    blurred = degrade(sharp, GaussianCase(1.6, 2.55))
    start = quality(blurred, sharp)
    gains = {
        "wiener": quality(wiener(blurred, KERNEL, 0.003), sharp) - start,
        "total variation": quality(total_variation(blurred, KERNEL, 0.001), sharp) - start,
        "richardson-lucy": quality(richardson_lucy(blurred, KERNEL, 10), sharp) - start,
    }
    assert gains["wiener"] > 1.0
    assert gains["total variation"] > gains["wiener"]
    assert 0.5 < gains["richardson-lucy"] < gains["total variation"]


def test_without_noise_the_inverse_is_nearly_exact(sharp):
    blurred = degrade(sharp, GaussianCase(0.8, 0.0))
    assert quality(wiener(blurred, gaussian_kernel(0.8), 1e-7), sharp) > 45
    total = total_variation(blurred, np.ones((1, 1)), 0.0, iterations=5)
    assert np.abs(total - blurred).max() < 1e-3, "nothing to undo, nothing to smooth"


def test_what_total_variation_does_to_noise(rng):
    flat = np.full((32, 32, 3), 0.5, dtype=np.float32)
    noisy = (flat + rng.normal(0, 0.05, flat.shape)).astype(np.float32)
    smooth = total_variation(noisy, np.ones((1, 1)), 0.2, iterations=150)
    assert smooth.std() < 0.1 * noisy.std()
    assert smooth.mean() == pytest.approx(noisy.mean(), abs=1e-4)


@pytest.mark.parametrize(("name", "millions"), [("nafnet-c16-l28", 4.35), ("rt-focuser", 5.85), ("mimo-unet", 6.81)])
def test_networks_have_their_published_size(name, millions):
    network = build_network(NETWORKS[name])
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.015)
    image = torch.rand(1, 3, 32, 48)
    with torch.inference_mode():
        result = network(image)
    last = result if isinstance(result, torch.Tensor) else result[-1]
    assert last.shape == image.shape


def standing(title, kind, quality, milliseconds):
    values = {} if quality is None else {"a": quality}
    return Standing(title, kind, values, values, "", milliseconds, 0.0)


STANDINGS = [
    standing("degraded", BLIND, 25.0, None),
    standing("slow and worse", BLIND, 26.0, 90.0),
    standing("fast", BLIND, 26.5, 10.0),
    standing("best", BLIND, 28.0, 60.0),
    standing("cheater", ORACLE, 30.0, 5.0),
    standing("untrained", SPEED_ONLY, None, 500.0),
]


def test_the_front_is_blind(tmp_path):
    assert [entry.title for entry in pareto_front(STANDINGS)] == ["fast", "best"]
    plot_pareto(STANDINGS, tmp_path / "front.png")
    assert (tmp_path / "front.png").stat().st_size > 10_000


def test_side_by_side(command, artifact, tmp_path):
    """A user's own ONNX file, here the artifact's: the same network by another door."""
    chosen = ("--method", "unsharp-pillow", "--method", "wiener", "--network", "rt-focuser")
    done = command(
        "ensharpen-bench", "peers", artifact.path, "--onnx", artifact.model_path, *chosen, "--size", 64,
        "--rounds", 2, "--out", tmp_path / "peers.png", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = {row["title"]: row for row in json.loads(done.stdout)["standings"]}
    ours, theirs = rows[artifact.path.name], rows["model.onnx"]
    for condition, value in ours["psnr"].items():
        assert theirs["psnr"][condition] == pytest.approx(value, abs=1e-3)
        assert value > max(rows[other]["psnr"][condition] for other in ("unsharp mask, Pillow", "degraded"))
    assert rows["Wiener, gradient prior"]["kind"] == ORACLE
    network = rows[NETWORKS["rt-focuser"].title]
    assert (network["kind"], network["psnr"]) == (SPEED_ONLY, {})
    assert network["per_megapixel"] > ours["per_megapixel"] > 0
    assert math.isfinite(rows["unsharp mask, Pillow"]["per_megapixel"])
    assert (tmp_path / "peers.png").is_file()


def test_sizes_off_the_grid_and_names_that_are_equal(artifact, static_artifact):
    contest = Contest(
        [artifact.path, static_artifact.path], [], ["rt-focuser"], [artifact.model_path, static_artifact.model_path],
        [SUITES["gaussian"][4]], [("flat", np.full((100, 100, 3), 128, dtype=np.uint8))], (100, 100), 1,
    )  # fmt: skip
    standings = run_contest(contest, Effort(fewest=9, most=9)).standings
    assert len({entry.title for entry in standings}) == len(standings) == 6
    by_kind = {entry.title: entry.per_megapixel for entry in standings if entry.per_megapixel}
    ours = [value for title, value in by_kind.items() if title.endswith("nano-onnx-fp32")]
    assert max(ours) < 3 * min(ours), "a megapixel takes the same, whatever the size"


@pytest.mark.parametrize("name", CLASSICAL)
def test_every_setting_runs(name, sharp):
    peer = CLASSICAL[name]
    peer.check_available()
    blurred = degrade(sharp[:48, :64], GaussianCase(1.6, 2.55))
    for _, sharpen in peer.settings:
        result = sharpen(blurred, KERNEL)
        assert result.shape == blurred.shape
        assert result.dtype == np.float32


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--method", "unsharp"), 2, "unsharp-pillow"),
        (("--network", "nafnet"), 2, "nafnet-c16-l28"),
        (("--network", "none", "--method", "wiener", "--onnx", "{damaged}"), 9, "not an ONNX model"),
    ],
    ids=str,
)
def test_mistakes(command, artifact, tmp_path, arguments, code, message):
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"no model")
    filled = [argument.format(damaged=damaged) for argument in arguments]
    done = command("ensharpen-bench", "peers", artifact.path, *filled, "--out", tmp_path / "p.png")
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
