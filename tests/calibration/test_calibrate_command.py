"""`ensharpen-calibrate` on real photographs."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from ensharpen_edge.calibration.histogram import StreamingHistogram
from ensharpen_edge.calibration.ranges import RangeConfig, Scheme
from ensharpen_edge.calibration.stability import compare_halves
from ensharpen_edge.calibration.table import load_table

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def test_command_writes_a_table_that_loads(command, artifact, photo_folder, cache, tmp_path):
    arguments = (artifact.path, "--data", photo_folder, "-n", 8, "--crop", 40, "--allow-few", "--cache", cache)
    done = command("ensharpen-calibrate", *arguments, "--out", tmp_path / "a", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    table = load_table(tmp_path / "a")
    assert report["key"] == table.provenance.key
    assert report["crops"] == len(table.choices) == 8
    assert report["tensors"] == len(table.histograms) > 50
    assert "int8" in report["plan"]["layers"].values()
    assert table.provenance.weights == artifact.manifest.source["checkpoint_sha256"]
    image = table.histograms["image"]
    assert 0.0 <= image.low < image.high <= 1.0
    assert len(image.lows) == 8
    again = command("ensharpen-calibrate", *arguments, "--out", tmp_path / "b", "--seed", 1, "--no-plan")
    assert again.returncode == 0, again.stderr
    assert "differs most between the halves" in again.stdout
    assert load_table(tmp_path / "b").provenance.key != table.provenance.key


def test_halves_that_differ_are_named():
    def seen(scale: float, name: str) -> StreamingHistogram:
        stream = StreamingHistogram(name)
        stream.add(np.linspace(0, scale, 1000, dtype=np.float32), "p")
        return stream

    first = {name: seen(1.0, name).freeze() for name in ("still", "moving")}
    second = {"still": seen(1.0, "still").freeze(), "moving": seen(2.0, "moving").freeze()}
    moved = compare_halves(first, second, Scheme(), RangeConfig("min-max"))
    assert [(m.tensor, pytest.approx(m.share)) for m in moved] == [("moving", 0.5), ("still", 0.0)]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--data", "{empty}"), 9, "holds no photographs"),
        (("--data", "{photos}"), 9, "distinct photographs"),
        (("--data", "{black}", "--allow-few", "--crop", "64"), 9, "flat"),
        (("--data", "{photos}", "--allow-few", "--crop", "512"), 9, "pixels a side"),
        (("--data", "{photos}", "--crop", "60"), 2, "multiple of 8"),
        (("--data", "{photos}", "--mix", "fog"), 2, "unknown mix"),
        (("--data", "{photos}", "--allow-few", "--method", "best"), 2, "unknown range method"),
    ],
    ids=str,
)
def test_unfit_photographs_and_settings(command, artifact, photo_folder, cache, tmp_path, arguments, code, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "black").mkdir()
    Image.fromarray(np.zeros((200, 200, 3), np.uint8)).save(tmp_path / "black" / "0.png")
    places = {"empty": tmp_path / "empty", "black": tmp_path / "black", "photos": photo_folder}
    filled = [str(argument).format(**places) for argument in arguments]
    out = tmp_path / "table"
    done = command("ensharpen-calibrate", artifact.path, *filled, "--out", out, "--cache", cache)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert not out.exists()
