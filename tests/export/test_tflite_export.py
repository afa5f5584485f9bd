"""`ensharpen-export --target tflite`: the operators that delegates want, parity at every size, the runtime."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.errors import IntegrityError, UsageError
from ensharpen_edge.runtime.litert import LiteRtEngine
from ensharpen_edge.runtime.registry import open_engine


@pytest.fixture(scope="module")
def folder(command, tmp_path_factory):
    out = tmp_path_factory.mktemp("tflite")
    done = command("ensharpen-export", "--target", "tflite", "--precision", "fp32,fp16", "--out", out)
    assert done.returncode == 0, done.stderr + done.stdout
    return out


def operators(artifact: Artifact) -> tuple[Counter, list[int]]:
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(artifact.read_model(), 0)
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    graph = model.subgraphs[0]
    used = Counter(names[model.operatorCodes[op.opcodeIndex].builtinCode] for op in graph.operators)
    return used, [len(tensor.shape) for tensor in graph.tensors]


def test_every_shuffle_is_one_operator_and_nothing_is_moved(folder):
    used, ranks = operators(Artifact.open(folder / "nano-tflite-fp32"))
    assert used["DEPTH_TO_SPACE"] == 3
    assert used["SPACE_TO_DEPTH"] == 1
    assert used["CONV_2D"] + used["DEPTHWISE_CONV_2D"] == 39
    assert used["RELU"] == 1, "that of the final clip; the others are fused"
    assert not set(used) & {"TRANSPOSE", "RESHAPE", "DEQUANTIZE", "QUANTIZE"}
    assert max(ranks) <= 4


def test_half_the_size_in_half_precision(folder):
    full, half = (Artifact.open(folder / f"nano-tflite-{name}") for name in ("fp32", "fp16"))
    assert half.model_path.stat().st_size < 0.6 * full.model_path.stat().st_size
    assert operators(half)[0]["DEQUANTIZE"] == 39
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
    from ensharpen_edge.runtime import litert

    artifact = Artifact.open(folder / "nano-tflite-fp32")
    with pytest.raises(UsageError, match="unknown device 'tpu'"):
        LiteRtEngine(artifact, "tpu")
    monkeypatch.setattr(litert, "_MODULES", ("no_such_module.interpreter",))
    with pytest.raises(MissingToolError, match="no LiteRT runtime") as error:
        LiteRtEngine(artifact)
    assert "pip install" in str(error.value.hint)


def test_options_without_a_form_are_refused_by_name(command, tmp_path):
    import torch

    from ensharpen_edge.models.checkpoint import save_checkpoint
    from ensharpen_edge.models.config import StudentConfig
    from ensharpen_edge.models.student import Student

    torch.manual_seed(0)
    save_checkpoint(
        Student(StudentConfig("soft", (8, 16, 24), (1, 1, 1, 1, 1), upsampling="bilinear")),
        tmp_path / "soft.safetensors",
        {},
    )
    done = command(
        "ensharpen-export", "--target", "tflite", "--model", tmp_path / "soft.safetensors", "--out", tmp_path
    )
    assert done.returncode == 2, done.stderr
    assert "Resize" in done.stderr
