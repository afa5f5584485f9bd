"""A device that computes something else is found before the first photograph; one that passed is not asked again."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import ensharpen_edge as ee
from ensharpen_edge.artifact_manifest import GoldenLimits
from ensharpen_edge.errors import ParityError
from ensharpen_edge.files import cache_folder
from ensharpen_edge.runtime.engines.onnxruntime import OnnxRuntimeEngine
from ensharpen_edge.runtime.engines.registry import open_engine
from ensharpen_edge.runtime.self_test import SelfTest, replay, self_test

pytestmark = pytest.mark.slow


@pytest.fixture
def remembered(tmp_path, monkeypatch):
    """The records of self-tests, in a folder of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return lambda: sorted(cache_folder("self-tests").glob("*.json"))


@pytest.fixture
def wrong_device(monkeypatch):
    """An engine whose kernels go wrong, as an emulator's did, and that counts its runs."""
    right, runs = OnnxRuntimeEngine._run, []

    def run(self, batch):
        runs.append(batch.shape)
        return right(self, batch) * np.float32(0.98)

    monkeypatch.setattr(OnnxRuntimeEngine, "_run", run)
    return runs


def test_a_right_device_is_tested_once(artifact, remembered):
    with open_engine(artifact, threads=1) as engine:
        first, second, third = (self_test(artifact, engine, again) for again in (False, False, True))
    assert (first.remembered, second.remembered, third.remembered) == (False, True, False)
    assert first.agreement == second.agreement == third.agreement > first.needed == 60.0
    (record,) = remembered()
    assert json.loads(record.read_text())["agreement"] == first.agreement
    record.write_text("{damaged")
    with ee.load(artifact) as sharpener:
        assert sharpener.tested is not None
        assert not sharpener.tested.remembered
    with ee.load(artifact, self_test=False) as sharpener:
        assert sharpener.tested is None


def test_a_wrong_device_is_refused_before_a_photograph(
    command, artifact, remembered, wrong_device, photo_folder, tmp_path
):
    out = tmp_path / "out"
    done = command("ensharpen-run", artifact.path, photo_folder / "raft.png", "-o", out)
    assert done.returncode == 4
    message = " ".join(done.stderr.split())
    assert "onnxruntime on cpu does not reproduce the golden image" in message
    assert "--no-self-test" in message
    assert not out.exists()
    assert len(wrong_device) == 1, "the golden image and no more"
    assert not remembered(), "a failure is not remembered"
    with pytest.raises(ParityError, match=r"needs 60 dB"):
        ee.load(artifact)
    done = command("ensharpen-run", artifact.path, photo_folder / "raft.png", "-o", out, "--no-self-test")
    assert done.returncode == 0, done.stderr


def test_the_command_tests_without_a_photograph(command, artifact, remembered, tmp_path):
    done = command("ensharpen-run", artifact.path, "--self-test", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "onnxruntime on cpu reproduces the golden image" in done.stdout
    assert not (tmp_path / "out").exists()
    report = json.loads(command("ensharpen-run", artifact.path, "--self-test", "--json").stdout)
    assert report["self_test"]["agreement"] > report["self_test"]["needed"]
    assert report["results"] == []
    done = command("ensharpen-run", artifact.path)
    assert done.returncode == 2
    assert "no photographs were given" in done.stderr


def test_what_is_trained_in_8_bits_passes_by_its_score():
    near = SelfTest(41.0, 38.0, 0.05, 0.1)
    assert near.passed
    assert not dataclasses.replace(near, score_drop=0.2).passed
    assert not dataclasses.replace(near, agreement=37.0).passed
    assert not SelfTest(float("-inf"), 38.0).passed
    assert not SelfTest(60.0, 38.0, float("nan"), 0.1).passed


def test_the_truth_is_looked_at_where_the_file_holds_it(trained_artifact):
    assert trained_artifact.manifest.golden == GoldenLimits(38.0, 0.1)
    with open_engine(trained_artifact, threads=1) as engine:
        result = replay(trained_artifact, engine)
    assert result.score_drop == 0.0
    assert result.agreement == 120.0


def test_a_failure_is_remembered_by_forgetting(artifact, remembered, monkeypatch):
    with ee.load(artifact):
        assert len(remembered()) == 1
    right = OnnxRuntimeEngine._run
    monkeypatch.setattr(OnnxRuntimeEngine, "_run", lambda self, batch: right(self, batch) * np.float32(0.9))
    with pytest.raises(ParityError):
        ee.load(artifact, self_test=True)
    assert not remembered()
    with pytest.raises(ParityError):
        ee.load(artifact)


def test_another_shape_is_a_failure(artifact, remembered, monkeypatch):
    right = OnnxRuntimeEngine._run
    monkeypatch.setattr(OnnxRuntimeEngine, "_run", lambda self, batch: right(self, batch)[..., :-8])
    with pytest.raises(ParityError, match="-inf dB"):
        ee.load(artifact)


def test_without_a_home_or_a_version_nothing_is_remembered(artifact, remembered, monkeypatch):
    with ee.load(artifact) as sharpener, monkeypatch.context() as patch:
        assert not sharpener.tested.remembered
        patch.setattr(OnnxRuntimeEngine, "distributions", ("no-such-distribution",))
        with ee.load(artifact) as unknown:
            assert not unknown.tested.remembered, "another version may be installed tomorrow"
        patch.undo()
        patch.delenv("XDG_CACHE_HOME")
        patch.delenv("HOME", raising=False)
        patch.setattr("pathlib.Path.home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
        with ee.load(artifact) as homeless:
            assert not homeless.tested.remembered
