"""`ensharpen-export` from checkpoint to sealed artifact, and its refusals."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.errors import ParityError
from ensharpen_edge.export.proof.tiling import check_tiling
from ensharpen_edge.files import sha256_of
from ensharpen_edge.models.checkpoint import find_checkpoint, save_checkpoint, shipped_models
from ensharpen_edge.models.config import NANO
from ensharpen_edge.models.student import Student
from ensharpen_edge.runtime.engines.registry import open_engine

pytestmark = pytest.mark.slow

SMALL = ("--size", "192x192")
"""A file for one small size is proved soonest."""


def test_fp32_and_fp16_in_one_command(command, tmp_path):
    done = command(
        "ensharpen-export",
        "--target",
        "onnx",
        "--model",
        "nano",
        "--precision",
        "fp32,fp16",
        "--out",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    for text in (
        "Parity ladder",
        "folded",
        "onnxsim",
        "fp16 arithmetic",
        "Release gate",
        "retained",
    ):
        assert text in done.stdout
    full, half = Artifact.open(tmp_path / "nano-onnx-fp32"), Artifact.open(tmp_path / "nano-onnx-fp16")
    assert half.model_path.stat().st_size < 0.6 * full.model_path.stat().st_size
    image = full.golden().input
    with open_engine(full) as a, open_engine(half) as b:
        assert 0 < np.abs(a.run(image) - b.run(image)).max() < 5e-3
    report = json.loads((tmp_path / "nano-onnx-fp32.report.json").read_text())
    assert report["passed"]
    assert report["parity"]["rungs"][-1]["max_abs_torch"] <= 1e-4
    assert "retained" in (full.path / "README.md").read_text()


@pytest.mark.parametrize("stage", ["folded", "artifact"])
def test_drill_rings_the_alarm(command, tmp_path, stage):
    done = command(
        "ensharpen-export", "--target", "onnx", "--model", "nano", *SMALL, "--out", tmp_path, "--drill", stage
    )
    assert done.returncode == 4
    assert f"'{stage}'" in done.stderr, "the rung that lost it is named"
    assert [p.name for p in tmp_path.iterdir()] == ["nano-onnx-fp32.report.json"]
    report = json.loads((tmp_path / "nano-onnx-fp32.report.json").read_text())
    assert not report["passed"]
    assert report["exit_code"] == 4
    assert report["parity"]["worst_rung"] == stage


def test_a_failed_export_keeps_the_artifact_of_before(command, tmp_path, artifact):
    import shutil

    shutil.copytree(artifact.path, tmp_path / "nano-onnx-fp32")
    done = command("ensharpen-export", "--target", "onnx", *SMALL, "--out", tmp_path, "--drill", "folded")
    assert done.returncode == 4
    assert Artifact.open(tmp_path / "nano-onnx-fp32").manifest == artifact.manifest
    assert "nano-onnx-fp32 is that of an earlier export" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--target", "onx"], 2, "Did you mean 'onnx'"),
        (["--target", "onnx", "--precision", "fp61"], 2, "Did you mean 'fp16'"),
        (["--target", "onnx", "--model", "nanno"], 2, "Did you mean 'nano'"),
        (["--target", "onnx", "--size", "100x100"], 2, "multiples of 8"),
        (["--target", "onnx", "--size", "big"], 2, "512x768"),
        (["--target", "onnx", "--size", "99999992x99999992"], 2, "up to 8192"),
        (["--target", "onnx", "--size", "64x512"], 2, "at least 120x120"),
        (["--target", "onnx", "--drill", "roof"], 2, "roof"),
        (["--target", "onnx", "--model", "nowhere.safetensors"], 8, "no such checkpoint"),
        (["--target", "onnx", "--data", "nowhere"], 9, "nowhere"),
        ([], 2, "--target"),
    ],
)
def test_mistakes(command, tmp_path, arguments, code, message):
    done = command("ensharpen-export", *arguments, "--out", tmp_path / "out")
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "nano-onnx-fp32").exists()


def test_weights_that_do_not_match_their_card(command, tmp_path):
    source = shipped_models()["nano"]
    state = load_file(source)
    state["encoder.stem.bias"] += 1.0
    save_file(state, tmp_path / "nano.safetensors")
    (tmp_path / "nano.json").write_text(source.with_suffix(".json").read_text())
    done = command("ensharpen-export", "--target", "onnx", "--model", tmp_path / "nano.safetensors", "--out", tmp_path)
    assert done.returncode == 8
    assert "sha256" in done.stderr
    assert sha256_of(source) != sha256_of(tmp_path / "nano.safetensors")


def test_an_untrained_student_is_not_released(command, tmp_path):
    save_checkpoint(Student(NANO), tmp_path / "raw.safetensors", {})
    model = ("--model", tmp_path / "raw.safetensors", *SMALL)
    done = command("ensharpen-export", "--target", "onnx", *model, "--out", tmp_path)
    assert done.returncode == 9
    assert "train it longer" in done.stderr
    assert not (tmp_path / "raw-onnx-fp32").exists()


def test_static_artifact_states_its_window(static_artifact):
    shape = static_artifact.manifest.shape
    assert (shape.height, shape.width) == (160, 192)
    assert static_artifact.golden().input.shape == (1, 3, 160, 192)


def test_static_ladder_runs_photographs_at_every_size():
    from ensharpen_edge.export.proof.probes import ladder_probes

    for size in ((160, 192), (512, 768), (120, 1024)):
        probes = ladder_probes((size,), 8)
        assert sum(probe.name.startswith("photo-") for probe in probes) >= 4
        assert {probe.image.shape for probe in probes} == {(1, 3, *size)}


def test_a_drill_that_changes_nothing_is_still_no_artifact(command, tmp_path):
    """A damaged kernel whose output is multiplied by zero cannot be noticed by any probe."""
    trained = find_checkpoint("nano").network
    student = Student(dataclasses.replace(NANO, depths=(2, 2, 3, 2, 3)))
    student.load_state_dict(trained.state_dict(), strict=False)
    idle = student.decoder.level1[-1]
    torch.nn.init.zeros_(idle.contract.weight)
    torch.nn.init.zeros_(idle.contract.bias)
    save_checkpoint(student, tmp_path / "idle.safetensors", {})
    model = ("--model", tmp_path / "idle.safetensors", *SMALL)
    done = command("ensharpen-export", "--target", "onnx", *model, "--out", tmp_path / "out", "--drill", "folded")
    assert done.returncode == 4
    assert "no gate noticed" in done.stderr
    assert not (tmp_path / "out" / "idle-onnx-fp32").exists()


def test_any_crash_leaves_a_report_and_no_artifact(tmp_path, monkeypatch):
    from ensharpen_edge.errors import BadInputError
    from ensharpen_edge.export import pipeline
    from ensharpen_edge.export.request import ExportRequest
    from ensharpen_edge.export.stages import proving

    def crash(*_: object) -> None:
        raise RuntimeError("converter bug")

    (tmp_path / "nano-onnx-fp32.report.json").write_text('{"passed": true}')
    monkeypatch.setattr(proving, "gate_pairs", crash)
    with pytest.raises(BadInputError, match="converter bug"):
        pipeline.export_model(ExportRequest("nano", "onnx", "fp32", tmp_path, (192, 192)))
    report = json.loads((tmp_path / "nano-onnx-fp32.report.json").read_text())
    assert report["passed"] is False
    assert [p.name for p in tmp_path.iterdir()] == ["nano-onnx-fp32.report.json"]


def test_tiling_is_measured_on_the_written_file(artifact, static_artifact):
    assert artifact.manifest.shape.tile_exact
    assert artifact.manifest.shape.tile_sizes == (64, 128, 256, 768)
    assert static_artifact.manifest.shape.tile_exact


def test_a_halo_too_small_is_refused(artifact):
    short = dataclasses.replace(artifact.manifest.shape, halo=16)
    wrong = Artifact(artifact.path, dataclasses.replace(artifact.manifest, shape=short))
    with open_engine(wrong) as engine, pytest.raises(ParityError, match=r"change \d+ of \d+ code values"):
        check_tiling(engine, wrong)


def test_the_gate_can_be_made_stricter(command, tmp_path):
    done = command(
        "ensharpen-export", "--target", "onnx", "--out", tmp_path, "--min-retained", "1.0", "--max-drop", "-1"
    )
    assert done.returncode == 2
    done = command(
        "ensharpen-export", "--target", "onnx", "--precision", "fp16", *SMALL, "--out", tmp_path, "--max-drop", "0.0"
    )
    assert done.returncode in (0, 5)
    assert (tmp_path / "nano-onnx-fp16").exists() == (done.returncode == 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--precision", "fp32", "--calib", "."), "--calib: would do nothing: no precision with codes"),
        (("--precision", "fp16", "--scheme", "onnx"), "--scheme: would do nothing"),
        (("--precision", "int8", "--plan-drop", "0"), "--plan-drop: would do nothing: the plan is a finished one"),
        (("--precision", "int8", "-n", "5", "--crop", "64"), "-n, --crop: would do nothing: the calibration"),
        (("--require-delegate", "gpu"), "--require-delegate is for tflite files"),
    ],
)
def test_options_without_an_effect_are_refused(command, tmp_path, arguments, message):
    done = command("ensharpen-export", "--target", "onnx", "--out", tmp_path, *arguments)
    assert done.returncode == 2, done.stderr
    assert message in " ".join(done.stderr.split())
    assert not list(tmp_path.glob("*/"))
