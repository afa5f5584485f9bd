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
from ensharpen_edge.export.pipeline import export_model
from ensharpen_edge.export.request import ExportRequest
from ensharpen_edge.export.targets.coreml.neural_engine import neural_engine_facts, neural_engine_report
from ensharpen_edge.export.targets.coreml.options import CoremlOptions
from ensharpen_edge.runtime.codes import float_run
from ensharpen_edge.runtime.engines.registry import open_engine
from ensharpen_edge.runtime.mil.operations import OPERATIONS
from ensharpen_edge.runtime.mil.program import MilProgram, Performed

pytestmark = pytest.mark.slow

SMALL = ("--size", "192x192")
"""Smaller windows are nearly all context: comparing them with the whole takes the interpreter many of them."""


@pytest.fixture(scope="module")
def exported(command, shipped_export, tmp_path_factory):
    """Without photographs: int8 takes the table that comes with the model."""
    out = tmp_path_factory.mktemp("coreml")
    for made in (shipped_export("coreml", precision, (192, 192)) for precision in ("fp32", "fp16", "int8")):
        shutil.copytree(made.path, out / made.path.name)
        shutil.copy(made.path.parent / f"{made.path.name}.report.json", out)
    done = command(
        "ensharpen-export", "--target", "coreml", *SMALL, "--precision", "palette8", "--compile", "--out", out,
        timeout=600,
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
    program = MilProgram(package.model_path.parent)
    assert program.is_image
    assert program.gives_image
    assert program.output_size == (192, 192)
    assert "8-bit RGB picture, of the same size" in (package.path / "README.md").read_text()
    image = photo[:192, :192].transpose(2, 0, 1)[None] / np.float32(255.0)
    with open_engine(package) as ours, open_engine(artifact) as onnx:
        difference = float_run(ours, package.manifest.io, image) - float_run(onnx, artifact.manifest.io, image)
    assert np.abs(difference).max() < 1.6 / 255


def test_several_sizes(command, tmp_path, artifact, photo):
    """Enumerated as images, and a range as arrays; every size through the ladder, the runtime at the first."""
    for kind, refused in ((("--image", "uint8"), (160, 160)), (("--flexible",), (192, 208))):
        out = tmp_path / kind[0]
        done = command(
            "ensharpen-export", "--target", "coreml", "--size", "192x192,224x256", "--precision", "fp16", *kind,
            "--out", out,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        package = opened(out, "fp16")
        assert package.manifest.graph["sizes"] == [[192, 192], [224, 256]]
        climbed = {rung["worst_probe"].split()[-1] for rung in package.manifest.parity["rungs"]}
        assert climbed <= {"192x192", "224x256", "192x224"}
        program = MilProgram(package.model_path.parent)
        assert program.shape == (1, 3, 192, 192)
        assert program.output_size == ((192, 192) if "uint8" in kind else None)
        assert program.accepts((1, 3, 224, 256))
        assert not program.accepts((1, 3, *refused))
        image = photo[:224, :256].transpose(2, 0, 1)[None] / np.float32(255.0)
        with open_engine(package) as ours, open_engine(artifact) as onnx:
            difference = float_run(ours, package.manifest.io, image) - float_run(onnx, artifact.manifest.io, image)
            assert np.abs(difference).max() < 1.6 / 255
            with pytest.raises(UsageError, match="by default"):
                float_run(ours, package.manifest.io, image[:, :, : refused[0], : refused[1]])
        done = command("ensharpen-run", out / "nano-coreml-fp16", photo_file(tmp_path, photo), "-o", out)
        assert done.returncode == 0, done.stderr


def photo_file(folder, photo):
    """Little more than a window: most of each is context, and the interpreter takes its time."""
    path = folder / "photo.png"
    Image.fromarray(photo[:200, :210]).save(path)
    return path


def test_rounding_is_what_half_precision_costs(exported, artifact, photo):
    image = photo[:192, :192].transpose(2, 0, 1)[None] / np.float32(255.0)
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
    assert 1.02 < half["padding"] < 1.2, "24 columns of the bottleneck are padded to 32"


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


def test_four_bits_are_too_few(command, tmp_path):
    done = command(
        "ensharpen-export", "--target", "coreml", *SMALL, "--precision", "int4-weights", "--deployment", "iOS18",
        "--out", tmp_path,
    )  # fmt: skip
    assert done.returncode == 4, done.stderr
    assert "rung 'artifact'" in done.stderr
    assert not (tmp_path / "nano-coreml-int4-weights").exists()


def test_the_shipped_plan_keeps_what_is_asked_for(command, tmp_path):
    unknown = command(
        "ensharpen-export", "--target", "coreml", *SMALL, "--precision", "int8", "--keep", "nonsense", "--out", tmp_path
    )
    assert unknown.returncode == 2, unknown.stderr
    assert "nonsense" in unknown.stderr


def test_photographs_through_the_command(command, exported, photo, tmp_path):
    fixed = ("ensharpen-run", exported / "nano-coreml-fp16", photo_file(tmp_path, photo), "-o", tmp_path / "out")
    for idle in (("--tile", "128"), ("--tile", "off"), ("--threads", "2")):
        assert command(*fixed, *idle).returncode == 2
    done = command(*fixed)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "photo.png").is_file()


@pytest.mark.parametrize(
    ("precision", "size", "options", "message"),
    [
        ("fp32", (136, 128), {}, "multiples of 32"),
        ("fp32", (192, 192), {"more_sizes": ((192, 200),)}, "multiples of 32"),
        ("fp32", (192, 192), {"more_sizes": ((96, 192),)}, "larger photographs could not be cut"),
        ("fp32", (192, 192), {"deployment": "iOS12"}, "unknown system"),
        ("int4-weights", (192, 192), {"deployment": "iOS17"}, "needs iOS18"),
        ("palette5", (192, 192), {}, "palette"),
    ],
)
def test_what_cannot_be(precision, size, options, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        export_model(ExportRequest("nano", "coreml", precision, tmp_path, size, options=CoremlOptions(**options)))


def test_options_that_mean_nothing_together(tmp_path):
    with pytest.raises(UsageError, match="needs two sizes"):
        ExportRequest("nano", "coreml", "fp32", tmp_path, (192, 192), options=CoremlOptions(flexible=True))
    with pytest.raises(UsageError, match="for coreml packages"):
        ExportRequest("nano", "onnx", "fp32", tmp_path, options=CoremlOptions(compiled=True))


def test_codes_need_a_newer_system(command, exported, tmp_path):
    done = command(
        "ensharpen-export",
        "--target",
        "coreml",
        *SMALL,
        "--precision",
        "int8",
        "--deployment",
        "iOS16",
        "--out",
        tmp_path,
    )
    assert done.returncode == 2, done.stderr
    assert "needs iOS17" in done.stderr
    assert json.loads((exported / "nano-coreml-int8.report.json").read_text())["passed"]


@pytest.mark.macos
@pytest.mark.skipif(sys.platform != "darwin", reason="Core ML predicts on macOS only")
def test_core_ml_itself_agrees(exported, photo):
    for precision in ("fp32", "fp16", "int8"):
        artifact = opened(exported, precision)
        image = photo[:192, :192].transpose(2, 0, 1)[None] / np.float32(255.0)
        ours = MilProgram(artifact.model_path.parent).run(image)
        with open_engine(artifact) as engine:
            assert np.abs(engine.run(image) - ours).max() < (1e-3 if precision == "fp32" else 2e-2)


@pytest.mark.macos
@pytest.mark.skipif(sys.platform != "darwin", reason="Core ML predicts on macOS only")
def test_core_ml_itself_takes_images(command, tmp_path, photo):
    done = command(
        "ensharpen-export", "--target", "coreml", *SMALL, "--precision", "fp16", "--image", "uint8", "--out", tmp_path
    )
    assert done.returncode == 0, done.stderr
    artifact = opened(tmp_path, "fp16")
    pixels = photo[:192, :192].transpose(2, 0, 1)[None]
    with open_engine(artifact) as theirs, open_engine(artifact, "interpreter") as ours:
        difference = theirs.run(pixels).astype(int) - ours.run(pixels).astype(int)
    assert np.abs(difference).max() <= 4
