"""`ensharpen-export --target tflite`: the operators that delegates want, parity at every size, the runtime."""

from __future__ import annotations

import json
import shutil
import struct
import zipfile

import numpy as np
import pytest

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.errors import IntegrityError, UsageError
from ensharpen_edge.export.targets.tflite.operators import read_operators
from ensharpen_edge.runtime.engines.litert import LiteRtEngine
from ensharpen_edge.runtime.engines.registry import open_engine
from ensharpen_edge.runtime.pipeline import plan_for

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(shipped_export, tmp_path_factory):
    out = tmp_path_factory.mktemp("tflite")
    for made in (shipped_export("tflite", precision) for precision in ("fp32", "fp16")):
        shutil.copytree(made.path, out / made.path.name)
        shutil.copy(made.path.parent / f"{made.path.name}.report.json", out)
    return out


def operators(artifact: Artifact) -> dict[str, int]:
    return read_operators(artifact.read_model()).counts


def test_every_shuffle_is_one_operator_and_nothing_is_moved(folder):
    model = read_operators(Artifact.open(folder / "nano-tflite-fp32").read_model())
    used = model.counts
    assert used["DEPTH_TO_SPACE"] == 3
    assert used["SPACE_TO_DEPTH"] == 1
    assert used["CONV_2D"] + used["DEPTHWISE_CONV_2D"] == 39
    assert used["RELU"] == 1, "that of the final clip; the others are fused"
    assert not set(used) & {"TRANSPOSE", "RESHAPE", "DEQUANTIZE", "QUANTIZE"}
    assert max(operator.rank for operator in model.operators) <= 4


def test_half_the_size_in_half_precision(folder):
    full, half = (Artifact.open(folder / f"nano-tflite-{name}") for name in ("fp32", "fp16"))
    assert half.model_path.stat().st_size < 0.6 * full.model_path.stat().st_size
    assert operators(half)["DEQUANTIZE"] == 39
    assert full.manifest.io.layout == "NHWC"
    assert full.manifest.shape.tile_exact


def test_any_size_and_the_same_pixels_as_onnx(folder, artifact):
    rng = np.random.default_rng(0)
    with open_engine(Artifact.open(folder / "nano-tflite-fp32"), threads=1) as lite, open_engine(artifact) as onnx:
        for size in ((64, 64), (8, 8), (64, 200)):
            batch = rng.random((1, 3, *size), dtype=np.float32)
            ours = lite.run(np.ascontiguousarray(batch.transpose(0, 2, 3, 1))).transpose(0, 3, 1, 2)
            assert np.abs(ours - onnx.run(batch)).max() < 1e-5
        with pytest.raises(UsageError, match="cannot run a window"):
            lite.run(np.zeros((1, 13, 16, 3), np.float32))


def test_one_size_only(command, tmp_path):
    done = command("ensharpen-export", "--target", "tflite", "--size", "160x192", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    artifact = Artifact.open(tmp_path / "nano-tflite-fp32")
    with open_engine(artifact) as engine, pytest.raises(UsageError, match="cannot run a window"):
        engine.run(np.zeros((1, 64, 64, 3), np.float32))


def test_photographs_through_the_command(command, folder, photo_folder, tmp_path, photo):
    from ensharpen_edge.imaging.decode import read_photo

    done = command("ensharpen-run", folder / "nano-tflite-fp32", photo_folder / "raft.png", "-o", tmp_path)
    assert done.returncode == 0, done.stderr
    (written,) = tmp_path.iterdir()
    assert read_photo(written).rgb.shape == photo.shape


def test_a_truncated_file_is_refused(folder, monkeypatch):
    artifact = Artifact.open(folder / "nano-tflite-fp32")
    whole = artifact.read_model()
    monkeypatch.setattr(Artifact, "read_model", lambda self: whole[: len(whole) // 2])
    with pytest.raises(IntegrityError, match="cannot load"):
        LiteRtEngine(artifact)


def test_other_devices_and_missing_packages(folder, monkeypatch):
    from ensharpen_edge.errors import MissingToolError
    from ensharpen_edge.runtime.engines import litert

    artifact = Artifact.open(folder / "nano-tflite-fp32")
    with pytest.raises(UsageError, match="unknown device 'tpu'"):
        LiteRtEngine(artifact, "tpu")
    monkeypatch.setattr(litert, "_MODULES", ("no_such_module.interpreter",))
    with pytest.raises(MissingToolError, match="no LiteRT runtime") as error:
        LiteRtEngine(artifact)
    assert "pip install" in str(error.value.hint)


def test_the_manifest_says_who_runs_it(folder):
    graph = Artifact.open(folder / "nano-tflite-fp32").manifest.graph
    assert graph["minimum_runtime"] == "2.1.0"
    assert graph["delegates"]["gpu"]["fallback_share_of_macs"] == 0.0
    assert graph["delegates"]["hexagon"]["fallback_share_of_macs"] == 1.0


def test_the_runtime_agrees_that_xnnpack_takes_everything(folder):
    from ai_edge_litert.interpreter import Interpreter

    for precision in ("fp32", "fp16"):
        interpreter = Interpreter(str(folder / f"nano-tflite-{precision}" / "model.tflite"), num_threads=1)
        interpreter.allocate_tensors()
        assert sum(details["op_name"] == "DELEGATE" for details in interpreter._get_ops_details()) == 1


def test_metadata_that_apps_read(folder):
    from ai_edge_litert import schema_py_generated as schema

    path = Artifact.open(folder / "nano-tflite-fp32").model_path
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    entries = {entry.name.decode(): bytes(model.buffers[entry.buffer].data) for entry in model.metadata}
    assert entries["min_runtime_version"].rstrip(b"\0") == b"2.1.0"
    packed = entries["TFLITE_METADATA"]
    assert packed[4:8] == b"M001"
    for text in (b"EnSharpen Edge nano", b"Apache-2.0", b"RGB, pixels / 255", b"ensharpen.json"):
        assert text in packed
    with zipfile.ZipFile(path) as appended:
        contract = json.loads(appended.read("ensharpen.json"))
    manifest = Artifact.open(folder / "nano-tflite-fp32").manifest
    assert packed.count(struct.pack("<3f", 255.0, 255.0, 255.0)) == 1, "the output must not be divided once more"
    assert contract["input"] == {
        "name": "image", "layout": "NHWC", "dtype": "float32", "black": 0.0, "white": 1.0, "channels": "RGB",
        "colour_space": "sRGB",
    }  # fmt: skip
    assert contract["output"]["enlarges"] == 1
    assert contract["sizes"] is None
    assert contract["halo"] == manifest.shape.halo
    assert contract["checkpoint_sha256"] == manifest.source["checkpoint_sha256"]


def test_a_damaged_file_does_not_pass(command, tmp_path):
    done = command("ensharpen-export", "--target", "tflite", "--drill", "artifact", "--out", tmp_path)
    assert done.returncode == 4, done.stderr
    assert "rung 'artifact'" in done.stderr
    assert not (tmp_path / "nano-tflite-fp32").exists()


def test_a_delegate_that_would_not_run_it(command, tmp_path):
    done = command("ensharpen-export", "--target", "tflite", "--require-delegate", "hexagon", "--out", tmp_path)
    assert done.returncode == 2, done.stderr
    assert "CONV_2D of float32" in done.stderr
    assert not (tmp_path / "nano-tflite-fp32").exists()


def test_ranges_of_the_moment_are_not_exact_in_tiles(command, tmp_path):
    done = command("ensharpen-export", "--target", "tflite", "--precision", "int8-dynamic", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    artifact = Artifact.open(tmp_path / "nano-tflite-int8-dynamic")
    assert not artifact.manifest.shape.tile_exact
    with pytest.raises(UsageError, match="tiles"):
        plan_for(artifact, 4000, 3000, 512)
