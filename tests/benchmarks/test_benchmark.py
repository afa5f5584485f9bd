"""One call for speed and quality of several artifacts."""

from __future__ import annotations

import dataclasses
import json
import platform
import shutil

import pytest
from PIL import Image

from ensharpen_edge.artifact import MANIFEST
from ensharpen_edge.artifact_manifest import FileTraits
from ensharpen_edge.benchmarks.benchmark import benchmark
from ensharpen_edge.benchmarks.regression.measured_quality import measured_quality
from ensharpen_edge.errors import BadInputError, IntegrityError, UsageError


@pytest.fixture(scope="module")
def crops(photo_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("crops")
    for name in ("raft", "kitten"):
        Image.open(photo_folder / f"{name}.png").crop((100, 100, 228, 196)).save(folder / f"{name}.png")
    return folder


def test_speed_and_quality(artifact, static_artifact, crops, tmp_path):
    same = shutil.copytree(artifact.path, tmp_path / "same")
    told = []
    result = benchmark(
        [artifact.path, str(same), static_artifact.path], size=64, threads=1, rounds=8, quality=[crops],
        progress=lambda doing, *_: told.append(doing),
    )  # fmt: skip
    first, second, static = result.artifacts
    assert result.reference == first.name
    assert len(first.latency.milliseconds) == 8
    assert first.latency.ratio == 1.0
    assert (first.latency.size, static.latency.size) == ((64, 64), (160, 192))
    assert first.latency.summary.low <= first.latency.summary.median <= first.latency.summary.high
    assert first.notes == second.notes == ()
    expected = measured_quality(artifact, [crops])
    assert {score.condition: score.psnr for score in first.quality} == expected
    for own, copy in zip(first.quality, second.quality, strict=True):
        assert own.photographs == 2
        assert copy.psnr == own.psnr
        assert own.retained_gain is None or own.retained_gain == copy.retained_gain == 1.0
    soft = next(score for score in first.quality if "1.6/2.55" in score.condition)
    assert soft.psnr > soft.degraded + 1
    assert any("timing" in text for text in told)
    assert any(text.startswith("quality of ") for text in told)
    plain = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert [entry["name"] for entry in plain["artifacts"]] == [entry.name for entry in result.artifacts]
    assert plain["artifacts"][0]["latency"]["summary"]["median"] == first.latency.summary.median


def test_one_artifact_without_photographs(artifact):
    result = benchmark(artifact.path, size=(48, 64), threads=1, rounds=3)
    assert (result.reference, len(result.artifacts)) == (None, 1)
    assert result.artifacts[0].latency.size == (48, 64)
    assert result.artifacts[0].quality == ()


@pytest.mark.skipif(platform.system() == "Darwin", reason="Core ML runs here")
def test_what_cannot_be_timed_is_noted(artifact, crops, tmp_path):
    """A graph that becomes an engine on the device: judged here, not timed."""
    shutil.copytree(artifact.path, tmp_path / "kit")
    kit = dataclasses.replace(artifact.manifest, traits=FileTraits("onnx", can_be_timed=False))
    (tmp_path / "kit" / MANIFEST).write_text(kit.to_json())
    (entry,) = benchmark(tmp_path / "kit", size=64, threads=1, rounds=1, quality=crops).artifacts
    assert entry.latency is None
    assert "no latency here" in entry.notes[0]
    assert len(entry.quality) == 12


def test_mistakes(artifact, tmp_path):
    with pytest.raises(BadInputError, match="holds no photographs"):
        benchmark(artifact.path, quality=tmp_path)
    with pytest.raises(IntegrityError, match="not an artifact"):
        benchmark(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="size must be"):
        benchmark(artifact.path, size=0)
    with pytest.raises(UsageError, match="threads must be"):
        benchmark(artifact.path, threads=-1)
    with pytest.raises(UsageError, match="at least one round"):
        benchmark(artifact.path, rounds=0)
