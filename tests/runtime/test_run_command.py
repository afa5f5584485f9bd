"""`ensharpen-run` as a user meets it: right pictures, one clear line for each mistake, the documented exit codes."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from ensharpen_edge.metrics.psnr import psnr


@pytest.fixture
def inputs(tmp_path, photo_folder):
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(photo_folder / "raft.png", folder / "good.png")
    return folder


def pixels(path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_sharpens_a_blurred_photograph(command, artifact, tmp_path, photo):
    from ensharpen_edge.benchmarks.demo.build import CASE, blur_photo

    blurred = blur_photo(photo, CASE)
    Image.fromarray(blurred).save(tmp_path / "soft.png")
    done = command("ensharpen-run", artifact.path, tmp_path / "soft.png", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    before = psnr(blurred, photo, data_range=255)
    after = psnr(pixels(tmp_path / "out" / "soft.png"), photo, data_range=255)
    assert after > before + 1.0


def test_tiling_never_changes_the_file(command, artifact, inputs, tmp_path):
    for tile in ("off", "64", "200", "auto"):
        done = command("ensharpen-run", artifact.path, inputs / "good.png", "-o", tmp_path / tile, "--tile", tile)
        assert done.returncode == 0, done.stderr
    results = [(tmp_path / tile / "good.png").read_bytes() for tile in ("off", "64", "200", "auto")]
    assert len(set(results)) == 1


@pytest.mark.parametrize("size", [(1, 1), (1, 37), (37, 1), (7, 9), (100, 75)])
def test_any_size(command, artifact, tmp_path, photo, size):
    Image.fromarray(photo[: size[0], : size[1]]).save(tmp_path / "a.png")
    done = command("ensharpen-run", artifact.path, tmp_path / "a.png", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert pixels(tmp_path / "out" / "a.png").shape == (*size, 3)


def test_good_photographs_are_written_beside_bad_ones(command, artifact, inputs, tmp_path):
    (inputs / "zero.png").write_bytes(b"")
    (inputs / "text.png").write_text("I am no picture")
    (inputs / "cut.png").write_bytes((inputs / "good.png").read_bytes()[:5000])
    (inputs / "folder.png").mkdir()
    bad = [inputs / name for name in ("zero.png", "text.png", "cut.png", "folder.png", "missing.png")]
    done = command("ensharpen-run", artifact.path, *bad, inputs / "good.png", "-o", tmp_path / "out")
    assert done.returncode == 9
    for path in bad:
        assert sum(line.startswith(f"error: {path}") for line in done.stderr.splitlines()) == 1, path
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["good.png"]
    assert "Traceback" not in done.stderr


def test_json_report(command, artifact, inputs, tmp_path):
    done = command(
        "ensharpen-run",
        artifact.path,
        inputs / "good.png",
        inputs / "no.png",
        "-o",
        tmp_path / "out",
        "--json",
    )
    assert done.returncode == 9
    good, bad = json.loads(done.stdout)["results"]
    assert (good["width"], good["height"]) == (512, 384)
    assert good["ms"]["engine"] > 0
    assert "no such file" in bad["error"]


def test_format_and_modes(command, artifact, inputs, tmp_path):
    Image.open(inputs / "good.png").convert("L").save(inputs / "grey.png")
    done = command("ensharpen-run", artifact.path, inputs / "grey.png", "-o", tmp_path / "out", "--format", "jpg")
    assert done.returncode == 0, done.stderr
    assert Image.open(tmp_path / "out" / "grey.jpg").mode == "L"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--tile", "sometimes"], 2, "--tile"),
        (["--tile", "0"], 2, "--tile"),
        (["--format", "bmp"], 2, "bmp"),
        (["--device", "abacus"], 2, "abacus"),
        (["--threads", "-1"], 2, "threads"),
        (["--no-such-option"], 2, "no-such-option"),
    ],
)
def test_usage_errors(command, artifact, inputs, tmp_path, arguments, code, message):
    done = command("ensharpen-run", artifact.path, inputs / "good.png", "-o", tmp_path / "out", *arguments)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_damaged_artifacts(command, artifact, inputs, tmp_path):
    copied = tmp_path / "artifact"
    shutil.copytree(artifact.path, copied)
    model = bytearray((copied / "model.onnx").read_bytes())
    model[1000] ^= 1
    (copied / "model.onnx").write_bytes(bytes(model))
    done = command("ensharpen-run", copied, inputs / "good.png", "-o", tmp_path / "out")
    assert done.returncode == 8
    assert "model.onnx differs" in done.stderr
    (copied / "model.onnx").unlink()
    done = command("ensharpen-run", copied, inputs / "good.png", "-o", tmp_path / "out")
    assert done.returncode == 8
    assert "model.onnx is missing" in done.stderr
    done = command("ensharpen-run", tmp_path / "nowhere", inputs / "good.png", "-o", tmp_path / "out")
    assert done.returncode == 8
    assert not (tmp_path / "out").exists()


def test_the_source_is_never_overwritten(command, artifact, inputs):
    original = (inputs / "good.png").read_bytes()
    done = command("ensharpen-run", artifact.path, inputs / "good.png", "-o", inputs)
    assert done.returncode == 2
    assert (inputs / "good.png").read_bytes() == original


def test_two_photographs_of_one_name(command, artifact, inputs, tmp_path):
    (tmp_path / "other").mkdir()
    shutil.copy(inputs / "good.png", tmp_path / "other" / "good.png")
    done = command(
        "ensharpen-run",
        artifact.path,
        inputs / "good.png",
        tmp_path / "other" / "good.png",
        "-o",
        tmp_path / "out",
    )
    assert done.returncode == 2
    assert "both" in done.stderr


def test_output_that_cannot_be_written(command, artifact, inputs, tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = command("ensharpen-run", artifact.path, inputs / "good.png", "-o", tmp_path / "file")
    assert done.returncode == 9
    assert "cannot be created" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere, so permissions cannot be tested as root")
def test_output_without_permission(command, artifact, inputs, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    done = command("ensharpen-run", artifact.path, inputs / "good.png", "-o", tmp_path / "locked")
    assert done.returncode == 9
    assert "cannot be written" in done.stderr


def test_help_has_examples(command):
    for name in ("ensharpen-run", "ensharpen-export", "ensharpen-train"):
        done = command(name, "--help")
        assert done.returncode == 0
        assert "Examples" in done.stdout
