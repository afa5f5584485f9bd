"""`ensharpen-run` as a user meets it: right pictures, one clear line for each mistake, the documented exit codes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from ensharpen_edge.metrics.psnr import psnr
from ensharpen_edge.runtime.engines.registry import open_engine


@pytest.fixture
def inputs(tmp_path, photo_folder):
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(photo_folder / "raft.png", folder / "good.png")
    return folder


def pixels(path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_sharpens_a_blurred_photograph(command, artifact, tmp_path, photo):
    from ensharpen_edge.demo.build import SOFTNESS
    from ensharpen_edge.demo.soft_photo import soften

    blurred = soften(photo, SOFTNESS)
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
    """What comes out is what the network says of the mirrored frame."""
    frame = photo[: size[0], : size[1]]
    Image.fromarray(frame).save(tmp_path / "a.png")
    done = command("ensharpen-run", artifact.path, tmp_path / "a.png", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    padded = np.pad(frame, ((0, -size[0] % 8), (0, -size[1] % 8), (0, 0)), mode="reflect")
    with open_engine(artifact) as engine:
        output = engine.run(np.ascontiguousarray(padded.transpose(2, 0, 1)[None]) / np.float32(255))
    expected = output[0].transpose(1, 2, 0)[: size[0], : size[1]] * 255
    assert np.abs(pixels(tmp_path / "out" / "a.png") - expected).max() <= 0.51


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
        (["--tile", "\u00b2"], 2, "--tile"),
        (["--threads", "99999999999999"], 2, "threads"),
        (["--format", "bmp"], 2, "bmp"),
        (["--device", "abacus"], 2, "abacus"),
        (["--cuda-backend", "cudart"], 2, "is for TensorRT engines"),
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


def test_the_source_is_not_overwritten_by_another_name_of_its_folder(command, artifact, inputs, tmp_path):
    """`..`, links to the folder, and a source that is itself a link into the output folder."""
    original = (inputs / "good.png").read_bytes()
    (tmp_path / "link").symlink_to(inputs)
    (tmp_path / "alias").mkdir()
    (tmp_path / "alias" / "good.png").symlink_to(inputs / "good.png")
    for source, folder in (
        (inputs / "good.png", tmp_path / "link"),
        (inputs / ".." / "in" / "good.png", inputs),
        (inputs / "good.png", tmp_path / "link" / ".." / "in"),
        (tmp_path / "alias" / "good.png", inputs),
    ):
        done = command("ensharpen-run", artifact.path, source, "-o", folder)
        assert done.returncode == 2, (source, folder)
        assert "exists beside" in done.stderr
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


def test_results_of_earlier_runs_are_replaced_on_request_only(command, artifact, inputs, tmp_path):
    (tmp_path / "good.png").write_bytes(b"somebody's")
    arguments = ("ensharpen-run", artifact.path, inputs / "good.png", "-o", tmp_path)
    done = command(*arguments)
    assert done.returncode == 2
    assert "exists already" in done.stderr
    assert "--overwrite" in done.stderr
    assert (tmp_path / "good.png").read_bytes() == b"somebody's"
    done = command(*arguments, "--overwrite")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "good.png").stat().st_size > 1000


def test_one_kind_of_failure_keeps_its_code_and_losses_are_told(command, artifact, inputs, tmp_path, photo):
    strange = tmp_path / "good.jfif"
    strange.write_bytes((inputs / "good.png").read_bytes())
    done = command("ensharpen-run", artifact.path, strange, "-o", tmp_path / "out")
    assert done.returncode == 2
    assert "cannot write this format" in done.stderr
    clear = Image.fromarray(photo[:64, :64]).convert("RGBA")
    clear.putalpha(128)
    clear.save(tmp_path / "clear.png")
    done = command("ensharpen-run", artifact.path, tmp_path / "clear.png", "-o", tmp_path / "out", "--format", "jpg")
    assert done.returncode == 0
    assert "laid over white" in " ".join(done.stderr.split())


def test_help_has_examples(command):
    for name in ("ensharpen-run", "ensharpen-export", "ensharpen-train"):
        done = command(name, "--help")
        assert done.returncode == 0
        assert "Examples" in done.stdout


def test_names_with_markup_are_printed_as_they_are(command, artifact, inputs, tmp_path):
    for name in ("[bold]x.png", "q[-b].png", "a:cat:.png", "-dash.png"):
        shutil.copy(inputs / "good.png", inputs / name)
        done = command("ensharpen-run", artifact.path, inputs / name, "-o", tmp_path / "o[b]")
        assert done.returncode == 0, done.stderr
        assert str(tmp_path / "o[b]" / name) in done.stdout
    done = command("ensharpen-run", artifact.path, inputs / "no[b]where.png", "-o", tmp_path / "out")
    assert "no[b]where.png" in done.stderr


def test_other_photographs_beside_the_sources_are_not_overwritten(command, artifact, inputs):
    Image.open(inputs / "good.png").save(inputs / "good.webp")
    original = (inputs / "good.png").read_bytes()
    done = command("ensharpen-run", artifact.path, inputs / "good.webp", "-o", inputs, "--format", "png")
    assert done.returncode == 2
    assert (inputs / "good.png").read_bytes() == original


def test_failures_on_the_way_out_spare_the_other_photographs(command, artifact, inputs, tmp_path, photo):
    Image.fromarray(photo[:8, :8]).resize((17000, 8)).save(inputs / "wide.png")
    bad = [inputs / "wide.png", inputs / ("n" * 300 + ".png"), inputs / "good.bmp"]
    Image.fromarray(photo).save(inputs / "good.bmp")
    done = command(
        "ensharpen-run", artifact.path, *bad, inputs / "good.png", "-o", tmp_path / "out", "--format", "webp"
    )
    assert done.returncode in (2, 9), done.stderr
    assert "Traceback" not in done.stderr
    done = command(
        "ensharpen-run", artifact.path, *bad[:2], inputs / "good.png", "-o", tmp_path / "b", "--format", "webp"
    )
    assert done.returncode == 9, done.stderr
    assert [p.name for p in (tmp_path / "b").iterdir()] == ["good.webp"]


@pytest.mark.slow
def test_out_of_memory_is_an_error_of_that_photograph(artifact, inputs, tmp_path):
    """With the address space limited, a whole large frame does not fit, and a small photograph still does."""
    Image.open(inputs / "good.png").resize((6000, 6000)).save(inputs / "large.png", compress_level=1)
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (1_500_000_000, 1_500_000_000));"
        "sys.argv = sys.argv[1:]; from ensharpen_edge.runtime.cli import main; main()"
    )
    arguments = ["ensharpen-run", artifact.path, inputs / "large.png", inputs / "good.png", "-o", tmp_path / "out"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments), "--tile", "off", "--threads", "1"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 9, done.stderr
    assert "--tile 256" in done.stderr
    assert (tmp_path / "out" / "good.png").exists()


def test_a_folder_is_no_photograph(command, artifact, inputs, tmp_path):
    done = command("ensharpen-run", artifact.path, inputs, "-o", tmp_path / "out")
    assert done.returncode == 9
    assert "is a folder" in done.stderr
    assert "*.jpg" in done.stderr
