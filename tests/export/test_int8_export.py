"""`ensharpen-export --precision int8`: from photographs, from a table, and what is refused."""

from __future__ import annotations

import json
import shutil

import numpy as np
import onnx
import pytest

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.calibration.table import _content_hash, load_table
from ensharpen_edge.export.quantization import shipped_calibration
from ensharpen_edge.models.checkpoint import find_checkpoint, shipped_models
from ensharpen_edge.runtime.engines.registry import open_engine

pytestmark = pytest.mark.slow

FEW = ("-n", 24, "--crop", 64, "--allow-few")


@pytest.fixture(scope="module")
def exported(command, photo_folder, tmp_path_factory):
    """With photographs among which is a file that is none."""
    out = tmp_path_factory.mktemp("int8")
    photos = shutil.copytree(photo_folder, tmp_path_factory.mktemp("photographs") / "mine")
    (photos / "video.jpg").write_bytes(b"RIFF of something else")
    done = command(
        "ensharpen-export", "--target", "onnx", "--precision", "int8", "--calib", photos, *FEW, "--out", out,
        timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    assert "video.jpg: not an image" in " ".join(done.stderr.split())
    return out, done.stdout


def test_photographs_in_quantized_artifact_out(exported):
    out, text = exported
    for part in ("equalised", "photographs vs torch", "worst vs student", "costliest of them"):
        assert part in text
    artifact = Artifact.open(out / "nano-onnx-int8")
    manifest = artifact.manifest
    report = json.loads((out / "nano-onnx-int8.report.json").read_text())
    assert manifest.calibration_key == json.loads((out / "nano-calibration" / "table.json").read_text())["key"]
    assert manifest.quantization["int8_layers"] >= 3
    assert len(manifest.quantization["skipped"]) == 1
    assert (
        report["quantization"]["worst_layer"]
        in json.loads((out / "nano-calibration" / "plan-onnx.json").read_text())["layers"]
    )
    for condition in report["gate"]["conditions"]:
        assert condition["worst_agreement"] >= 48.0
        assert condition["student"] - condition["exported"] <= 0.05
        assert condition["retained"] >= 0.98
    assert manifest.shape.tile_exact
    model = onnx.load(str(artifact.model_path))
    assert sum(node.op_type == "QuantizeLinear" for node in model.graph.node) >= 3
    with open_engine(artifact) as engine:
        golden = artifact.golden()
        assert np.abs(engine.run(golden.input) - golden.expected).max() < 1e-6


def test_what_was_calibrated_with_is_no_judge(command, exported, photo_folder, tmp_path):
    out, _ = exported
    done = command(
        "ensharpen-export", "--target", "onnx", "--precision", "int8", "--calib", out / "nano-calibration",
        "--data", photo_folder, "--out", tmp_path,
    )  # fmt: skip
    assert done.returncode == 9
    assert "were calibrated with" in done.stderr
    assert not (tmp_path / "nano-onnx-int8").exists()


def test_the_table_serves_again_and_for_one_size(command, exported, tmp_path):
    out, _ = exported
    folder = out / "nano-calibration"
    done = command(
        "ensharpen-export", "--target", "onnx", "--precision", "int8", "--calib", folder, "--size", "256x256",
        "--out", tmp_path, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    fixed = Artifact.open(tmp_path / "nano-onnx-int8").manifest
    free = Artifact.open(out / "nano-onnx-int8").manifest
    assert fixed.calibration_key == free.calibration_key
    assert (fixed.shape.height, fixed.shape.width) == (256, 256)
    assert fixed.quantization["float_layers"] == free.quantization["float_layers"]


def altered(folder, where, change):
    shutil.copytree(folder, where)
    content = json.loads((where / "table.json").read_text())
    change(content)
    content["content_sha256"] = _content_hash(content)
    (where / "table.json").write_text(json.dumps(content))
    return where


def test_a_table_for_other_weights_is_refused_with_the_difference(command, exported, tmp_path):
    import hashlib

    def other(content):
        content["provenance"]["weights"] = "0" * 64
        text = json.dumps(content["provenance"], sort_keys=True)
        content["key"] = hashlib.sha256(text.encode()).hexdigest()

    folder = altered(exported[0] / "nano-calibration", tmp_path / "t", other)
    done = command(
        "ensharpen-export", "--target", "onnx", "--precision", "int8", "--calib", folder, "--out", tmp_path / "out"
    )
    assert done.returncode == 8, done.stderr
    assert "weights: 0000" in done.stderr
    assert "calibrate again" in done.stderr
    assert not (tmp_path / "out" / "nano-onnx-int8").exists()


def test_an_altered_table_is_refused(command, exported, tmp_path):
    folder = tmp_path / "t"
    shutil.copytree(exported[0] / "nano-calibration", folder)
    content = json.loads((folder / "table.json").read_text())
    content["tensors"][5]["high"] *= 0.5
    (folder / "table.json").write_text(json.dumps(content))
    done = command("ensharpen-export", "--target", "onnx", "--precision", "int8", "--calib", folder, "--out", tmp_path)
    assert done.returncode == 8, done.stderr
    assert "altered after it was written" in done.stderr


def test_a_truncated_table_is_refused(command, exported, tmp_path):
    folder = tmp_path / "t"
    shutil.copytree(exported[0] / "nano-calibration", folder)
    arrays = folder / "histograms.npz"
    arrays.write_bytes(arrays.read_bytes()[:-100])
    done = command("ensharpen-export", "--target", "onnx", "--precision", "int8", "--calib", folder, "--out", tmp_path)
    assert done.returncode == 8, done.stderr
    assert "histograms.npz" in done.stderr


def test_a_plan_that_quantizes_everything_fails_the_gate(command, exported, tmp_path):
    out, _ = exported
    plan = json.loads((out / "nano-calibration" / "plan-onnx.json").read_text())
    plan["layers"] = dict.fromkeys(plan["layers"], "int8")
    (tmp_path / "all.json").write_text(json.dumps(plan))
    done = command(
        "ensharpen-export", "--target", "onnx", "--precision", "int8", "--calib", out / "nano-calibration",
        "--plan", tmp_path / "all.json", "--size", "192x192", "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.returncode == 4, done.stderr
    assert "the layer that costs most is" in done.stderr
    report = json.loads((tmp_path / "out" / "nano-onnx-int8.report.json").read_text())
    assert not report["passed"]
    assert report["quantization"]["int8_layers"] == 53
    assert not (tmp_path / "out" / "nano-onnx-int8").exists()


def own_copy(folder):
    """nano's weights as a user's own checkpoint."""
    shipped = find_checkpoint("nano").path
    for file in (shipped, shipped.with_suffix(".json")):
        shutil.copy(file, folder / f"mine{file.suffix}")
    return folder / "mine.safetensors"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--model", "{own}"), 2, "--calib my_photos"),
        (("--calib", "nowhere"), 9, "nowhere"),
        (("--calib", "{photos}"), 9, "distinct photographs"),
        (("--calib", "{photos}", *FEW, "--keep", "roof"), 2, "unknown layer"),
        (("--calib", "{photos}", *FEW, "--method", "best"), 2, "unknown range method"),
        (("--calib", "{photos}", *FEW, "--scheme", "trt"), 2, "unknown scheme for target"),
        (("--calib", "{photos}", *FEW, "--plan", "nowhere.json"), 9, "not a plan"),
    ],
    ids=str,
)
def test_mistakes(command, photo_folder, tmp_path, arguments, code, message):
    own = own_copy(tmp_path)  # only a shipped model comes with a table
    filled = [str(argument).format(photos=photo_folder, own=own) for argument in arguments]
    done = command("ensharpen-export", "--target", "onnx", "--precision", "int8", *filled, "--out", tmp_path / "out")
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "nano-onnx-int8").exists()


CALIBRATED = [name for name in shipped_models() if shipped_calibration(name) is not None]


@pytest.mark.parametrize("name", CALIBRATED)
def test_a_shipped_calibration_is_of_the_shipped_weights(name):
    folder = shipped_calibration(name)
    table = load_table(folder)
    assert table.provenance.weights == find_checkpoint(name).sha256
    assert len({photo.split(":")[0] for photo in table.provenance.photos}) >= 100
    schemes = {json.loads(plan.read_text())["scheme"] for plan in folder.glob("plan-*.json")}
    assert schemes == {"onnx", "tflite", "trt", "coreml"}


@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_the_larger_student_needs_no_photographs_either(target, command, tmp_path):
    assert {"nano", "small", "base"} <= set(CALIBRATED)
    done = command(
        "ensharpen-export",
        "--target",
        target,
        "--model",
        "small",
        "--precision",
        "int8",
        "--size",
        "192x192",
        "--out",
        tmp_path,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    manifest = Artifact.open(tmp_path / f"small-{target}-int8").manifest
    assert manifest.gate["retained"] > 0.98
