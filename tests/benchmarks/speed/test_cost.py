"""Latency side by side, and what calibrating costs."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.slow


def test_latency_of_an_artifact_against_itself(command, artifact, static_artifact, tmp_path):
    done = command(
        "ensharpen-bench", "latency", artifact.path, artifact.path, "--size", 128, "--threads", 1, "--rounds", 15,
        "--operators", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    first, second = report["latency"]
    assert first["ratio"] == 1.0
    assert second["ratio"] == pytest.approx(1.0, abs=0.25)
    assert len(first["milliseconds"]) == 15
    (operators,) = report["operators"].values()
    assert "Conv" in operators
    assert first["size"] == [128, 128]
    assert set(first["split"]) == {"decode", "pre", "engine", "post", "encode"}
    assert first["peak_mib"] > 20
    (beside,) = (tmp_path / "nano.report.json",)
    beside.write_text("{}")
    table = command(
        "ensharpen-bench", "latency", artifact.path, static_artifact.path, beside, "--size", 100, "--rounds", 2,
        "--operators", "--threads", 0,
    )  # fmt: skip
    assert table.returncode == 0, table.stderr
    assert "time against the first" in table.stdout
    assert "104x104" in table.stdout
    assert "160x192" in table.stdout


def test_calibrating_more_crops_takes_no_more_memory(command, artifact, photo_folder):
    arguments = (artifact.path, "--data", photo_folder, "-n", 4, "-n", 24, "--crop", 128)
    done = command("ensharpen-bench", "calibration", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    few, many, theirs_one, theirs_four = report["costs"]
    assert (few["crops"], many["crops"]) == (4, 24)
    assert many["peak_mib"] <= 1.1 * few["peak_mib"]
    assert theirs_four["peak_mib"] > theirs_one["peak_mib"] + 25
    # Counting costs the same everywhere, the network does not: with AVX-512 these little crops take it under 1 ms.
    assert 0 < many["seconds_per_crop"] < max(20 * report["bare_seconds"], 0.1)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("latency", "nowhere"), 8, "not an artifact"),
        (("latency", "{artifact}", "--rounds", "0"), 2, "rounds"),
        (("calibration", "{artifact}", "--data", "{empty}"), 9, "holds no photographs"),
    ],
    ids=str,
)
def test_mistakes(command, artifact, tmp_path, arguments, code, message):
    filled = [str(argument).format(artifact=artifact.path, empty=tmp_path) for argument in arguments]
    done = command("ensharpen-bench", *filled)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
