"""`ensharpen-export --target coreml`: what the saved package computes, measured where Core ML does not run."""

from __future__ import annotations

import json
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.errors import IntegrityError, UsageError
from ensharpen_edge.export.coreml.neural_engine import neural_engine_facts, neural_engine_report
from ensharpen_edge.runtime.codes import float_run
from ensharpen_edge.runtime.mil.operations import OPERATIONS
from ensharpen_edge.runtime.mil.program import MilProgram, Performed
from ensharpen_edge.runtime.registry import open_engine

SMALL = ("--size", "128x128")


@pytest.fixture(scope="module")
def exported(command, tmp_path_factory):
    """Without photographs: int8 takes the table that comes with the model."""
    out = tmp_path_factory.mktemp("coreml")
    done = command(
        "ensharpen-export", "--target", "coreml", *SMALL, "--precision", "fp32,fp16,int8,palette8", "--compile",
        "--out", out, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    assert sys.platform == "darwin" or "compiler exists on macOS only" in " ".join(done.stdout.split())
    return out


def opened(folder, precision):
    return Artifact.open(folder / f"nano-coreml-{precision}")


def test_parity_of_the_saved_package(exported):
    rungs = {p: opened(exported, p).manifest.parity["rungs"][-1] for p in ("fp32", "fp16", "int8", "palette8")}
    assert rungs["fp32"]["max_abs_torch"] <= 1e-4
    assert 60.0 <= rungs["fp16"]["psnr_torch"] < 100.0, "half precision must show"
    assert rungs["int8"]["psnr_photographs"] >= 48.0
    assert rungs["palette8"]["psnr_photographs"] >= 48.0


def test_sizes_and_operations(exported):
    full, half, small = (opened(exported, p) for p in ("fp32", "fp16", "palette8"))
    assert half.model_bytes < 0.7 * full.model_bytes
    assert small.model_bytes < half.model_bytes
    counts = full.manifest.graph["operations"]
    assert (counts["depth_to_space"], counts["space_to_depth"], counts["conv"]) == (3, 1, 39)
    assert not set(counts) & {"reshape", "transpose", "cast"}
    coded = opened(exported, "int8").manifest
    assert coded.graph["deployment"] == "iOS17"
    assert coded.graph["operations"]["quantize"] == coded.graph["operations"]["dequantize"] >= 2
    assert coded.quantization["scheme"] == "coreml"
    assert full.manifest.graph["deployment"] == "iOS16"


def test_metadata_that_xcode_shows(exported):
    import coremltools as ct

    model = ct.models.MLModel(str(opened(exported, "fp16").model_path.parent), skip_model_load=True)
    assert (model.author, model.license) == ("EnSharpen Edge", "Apache-2.0")
    assert model.user_defined_metadata["checkpoint_sha256"]


def test_one_changed_weight_is_noticed(command, tmp_path):
    done = command("ensharpen-export", "--target", "coreml", *SMALL, "--drill", "artifact", "--out", tmp_path)
    assert done.returncode == 4, done.stderr
    assert "rung 'artifact'" in done.stderr
    assert not (tmp_path / "nano-coreml-fp32").exists()


@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_damaged_packages(exported, tmp_path, damage):
    package = tmp_path / "model.mlpackage"
    shutil.copytree(opened(exported, "fp16").model_path.parent, package)
    (blob,) = package.rglob("weight.bin")
    if damage == "missing":
        blob.unlink()
    else:
        blob.write_bytes(blob.read_bytes()[: blob.stat().st_size // 2])
    with pytest.raises(IntegrityError, match="not a readable Core ML package"):
        MilProgram(package)


def test_images_instead_of_arrays(command, tmp_path, artifact, photo):
    done = command(
        "ensharpen-export", "--target", "coreml", *SMALL, "--precision", "fp16", "--image", "uint8", "--out", tmp_path
    )
    assert done.returncode == 0, done.stderr
    package = opened(tmp_path, "fp16")
    assert MilProgram(package.model_path.parent).is_image
    image = photo[:128, :128].transpose(2, 0, 1)[None] / np.float32(255.0)
    with open_engine(package) as ours, open_engine(artifact) as onnx:
        difference = float_run(ours, package.manifest.io, image) - float_run(onnx, artifact.manifest.io, image)
    assert np.abs(difference).max() < 1.6 / 255


def test_several_sizes(command, tmp_path, artifact, photo):
    """Enumerated as images, and a range as arrays; every size through the ladder, the runtime at the first."""
    for kind, refused in ((("--image", "uint8"), (96, 96)), (("--flexible",), (32, 64))):
        out = tmp_path / kind[0]
        done = command(
            "ensharpen-export", "--target", "coreml", "--size", "64x96,96x160", "--precision", "fp16", *kind,
            "--out", out,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        package = opened(out, "fp16")
        assert package.manifest.graph["sizes"] == [[64, 96], [96, 160]]
        assert {rung["worst_probe"].split()[-1] for rung in package.manifest.parity["rungs"]} <= {"64x96", "96x160"}
        program = MilProgram(package.model_path.parent)
        assert program.shape == (1, 3, 64, 96)
        assert program.accepts((1, 3, 96, 160))
        assert not program.accepts((1, 3, *refused))
        image = photo[:96, :160].transpose(2, 0, 1)[None] / np.float32(255.0)
        with open_engine(package) as ours, open_engine(artifact) as onnx:
            difference = float_run(ours, package.manifest.io, image) - float_run(onnx, artifact.manifest.io, image)
            assert np.abs(difference).max() < 1.6 / 255
            with pytest.raises(UsageError, match="by default"):
                float_run(ours, package.manifest.io, image[:, :, : refused[0], : refused[1]])
        done = command("ensharpen-run", out / "nano-coreml-fp16", photo_file(tmp_path, photo), "-o", out)
        assert done.returncode == 0, done.stderr


def photo_file(folder, photo):
    path = folder / "photo.png"
    Image.fromarray(photo).save(path)
    return path


def test_rounding_is_what_half_precision_costs(exported, artifact, photo):
    image = photo[:128, :128].transpose(2, 0, 1)[None] / np.float32(255.0)
    path = opened(exported, "fp16").model_path.parent
    with open_engine(artifact) as onnx:
        wanted = onnx.run(image)
    rounded, wide = (np.abs(MilProgram(path, rounded=r).run(image) - wanted).max() for r in (True, False))
    assert 0 < wide < rounded < 4e-3


def test_what_is_known_of_the_neural_engine(exported):
    half, full, coded = (opened(exported, p).manifest.graph["neural_engine"] for p in ("fp16", "fp32", "int8"))
    assert set(half["generations"]) == set(neural_engine_facts().generations)
    for entry in half["generations"].values():
        assert entry == {"native": half["operations"], "leaves": {}}
    assert all(entry["leaves"]["conv in fp32"] == 39 for entry in full["generations"].values())
    assert any("A17 Pro" in note for note in coded["notes"])
    assert half["padding"] == 1.0


def test_narrow_rows_are_padded_and_old_chips_lack_operations():
    class Steps:
        def performed(self):
            return [
                Performed("conv", "fp16", (1, 8, 4, 8), (15, 15)),
                Performed("upsample_bilinear", "fp16", (1, 8, 8, 16), ()),
                Performed("gather", "fp16", (1, 8, 8, 32), ()),
            ]

    report = neural_engine_report(Steps(), flexible=True)
    oldest, newest = (report["generations"][neural_engine_facts().generations[i]] for i in (0, -1))
    assert set(oldest["leaves"]) == {"conv with a kernel over 13", "upsample_bilinear", "gather: nothing is known"}
    assert newest["native"] == 1
    assert report["padding"] == round(64 * (32 + 64 + 64) / (2 * (32 * 8 + 64 * 16 + 64 * 32)), 3)
    assert any("enumerated" in note for note in report["notes"])


def test_every_operation_that_is_written_is_in_the_list():
    assert set(OPERATIONS) == set(neural_engine_facts().operations)


def test_photographs_through_the_command(command, exported, photo_folder, tmp_path):
    done = command("ensharpen-run", exported / "nano-coreml-fp16", photo_folder / "kitten.png", "-o", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "kitten.png").is_file()


def test_what_cannot_be(command, exported, tmp_path):
    for arguments, message in (
        (("--size", "136x128"), "multiples of 32"),
        (("--deployment", "iOS12"), "unknown system"),
        (("--precision", "int8", "--deployment", "iOS16"), "needs iOS17"),
        (("--precision", "int4-weights", "--deployment", "iOS17"), "needs iOS18"),
        (("--precision", "palette5"), "palette"),
        (("--flexible",), "needs two sizes"),
    ):
        done = command("ensharpen-export", "--target", "coreml", *SMALL, *arguments, "--out", tmp_path)
        assert done.returncode == 2, (arguments, done.stderr)
        assert message in done.stderr
    report = json.loads((exported / "nano-coreml-int8.report.json").read_text())
    assert report["passed"]


@pytest.mark.macos
@pytest.mark.skipif(sys.platform != "darwin", reason="Core ML predicts on macOS only")
def test_core_ml_itself_agrees(exported, photo):
    for precision in ("fp32", "fp16", "int8"):
        artifact = opened(exported, precision)
        image = photo[:128, :128].transpose(2, 0, 1)[None] / np.float32(255.0)
        ours = MilProgram(artifact.model_path.parent).run(image)
        with open_engine(artifact) as engine:
            assert np.abs(engine.run(image) - ours).max() < (1e-3 if precision == "fp32" else 2e-2)
