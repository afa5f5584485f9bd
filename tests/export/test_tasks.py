"""The shipped networks for other photographs: noisy and compressed, moved, to be freed of noise, to be enlarged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ensharpen_edge.arrays import F32
from ensharpen_edge.benchmarks.quality.scoring import Method
from ensharpen_edge.benchmarks.quality.selection import Selection, select_suites
from ensharpen_edge.errors import UsageError
from ensharpen_edge.export.pipeline import export_model
from ensharpen_edge.export.request import ExportRequest
from ensharpen_edge.metrics.registry import load_metrics
from ensharpen_edge.models.network import Network
from ensharpen_edge.models.student_network import find_network

pytestmark = pytest.mark.slow

DENOISER, UPSCALER = "small-denoise", "small-upscale2"


@pytest.fixture(scope="module")
def denoiser(shipped_export):
    return shipped_export("onnx", "fp32", model=DENOISER)


@pytest.fixture(scope="module")
def upscaler(shipped_export):
    return shipped_export("onnx", "fp32", model=UPSCALER)


def measured(command, artifact, photo_folder, *arguments) -> dict:
    done = command("ensharpen-bench", "quality", artifact.path, "--data", photo_folder, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    (suite,) = json.loads(done.stdout)["suites"]
    return suite["methods"]


def weights_measured(names: Sequence[str], folder: Path, *suites: str, limit: int = 0) -> list[dict[str, float]]:
    """PSNR of shipped weights in torch, by suite: what an export keeps of it is the subject of other tests."""
    measures = load_metrics(["psnr"])
    methods = {name: torch_method(find_network(name).fold()) for name in names}
    found = []
    for run in select_suites(Selection((folder,), suites, limit=limit)):
        scores = run.measure(methods, measures).to_dict(("psnr",), None)["methods"]
        found.append({name: values["psnr"] for name, values in scores.items()})
    return found


def torch_method(network: Network) -> Method:
    def run(image: F32) -> F32:
        output = network.run(np.ascontiguousarray(image.transpose(2, 0, 1)[None]))
        return np.ascontiguousarray(output[0].transpose(1, 2, 0))

    return run


def test_compressed_and_noisy_photographs_have_a_network_of_their_own(photo_folder):
    names = "small", "small-snapshots"
    compressed, noisy = weights_measured(names, photo_folder, "jpeg", "noise", limit=3)
    for psnr in (compressed, noisy):
        assert psnr["small"] + 0.04 < psnr["small-snapshots"]


def test_motion_has_a_network_of_its_own():
    folder = Path(str(resources.files("ensharpen_edge.imaging"))) / "bundled_photos"
    (psnr,) = weights_measured(("small", "base", "small-motion"), folder, "motion")
    assert psnr["small-motion"] > psnr["small"] + 0.1
    assert psnr["small-motion"] > psnr["degraded"] + 0.6
    assert psnr["base"] > psnr["small"] + 0.08


def test_noise_is_removed(command, denoiser, photo_folder):
    assert denoiser.manifest.task == "denoise"
    assert {c["condition"].split(", ")[1] for c in denoiser.manifest.gate["conditions"]} == {"blur 0"}
    methods = measured(command, denoiser, photo_folder, "--suite", "noise", "--limit", 3)
    assert methods[denoiser.path.name]["psnr"] > methods["degraded"]["psnr"] + 5.0


def test_a_photograph_is_enlarged(command, upscaler, photo_folder, photo, tmp_path):
    io = upscaler.manifest.io
    assert (upscaler.manifest.task, io.enlarges) == ("upscale2", 2)
    methods = measured(command, upscaler, photo_folder, "--suite", "upscale2", "--limit", 3)
    ours = methods[upscaler.path.name]["psnr"]
    assert ours > methods["best unsharp"]["psnr"] + 0.3
    assert ours > methods["degraded"]["psnr"] + 0.8
    picture = Image.fromarray(photo[:203, :301])
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    picture.save(tmp_path / "in.png")
    for tile in (40, "off"):
        arguments = [upscaler.path, tmp_path / "in.png", "-o", tmp_path / str(tile), "--tile", tile]
        assert command("ensharpen-run", *arguments).returncode == 0
    tiled, whole = (np.asarray(Image.open(tmp_path / name / "in.png")) for name in ("40", "off"))
    assert whole.shape == (406, 602, 4)
    assert np.array_equal(tiled, whole), "tiles of a network that enlarges fit together"
    assert np.abs(whole[::2, ::2, 3].astype(int) - np.asarray(picture)[:, :, 3]).max() <= 2


@pytest.mark.parametrize(("target", "precision"), [("onnx", "fp16"), ("tflite", "int8-weights")])
def test_other_files_that_enlarge(target, precision, tmp_path):
    result = export_model(ExportRequest(UPSCALER, target, precision, tmp_path, (192, 192)))
    assert result.gate.retained > 0.98
    assert result.artifact.manifest.io.enlarges == 2


def test_what_enlarges_has_no_plan_for_int8(tmp_path, photo_folder):
    from ensharpen_edge.export.quantization import QuantizationRequest

    request = ExportRequest(
        UPSCALER,
        "onnx",
        "int8",
        tmp_path,
        quantization=QuantizationRequest(photo_folder, allow_few=True),
    )
    with pytest.raises(UsageError, match="enlarges"):
        export_model(request)


def test_suites_of_another_size_are_refused(command, upscaler, photo_folder):
    done = command("ensharpen-bench", "quality", upscaler.path, "--data", photo_folder, "--limit", 1)
    assert done.returncode == 9
    assert "--suite upscale2" in done.stderr
