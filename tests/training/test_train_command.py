"""`ensharpen-train` as users run it: killed, resumed, on two processes, with bad input."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from safetensors.numpy import load_file

from ensharpen_edge.degrade.mixes import MIXES
from ensharpen_edge.degrade.registry import BLURS
from ensharpen_edge.models.checkpoint import load_checkpoint
from ensharpen_edge.training.curves import running_mean
from ensharpen_edge.training.log import LOG_FILE
from ensharpen_edge.training.step import STATE_FILE

pytestmark = pytest.mark.slow

RECIPE = {
    "model": {"like": "nano", "name": "tiny", "widths": [8, 8, 16], "depths": [1, 1, 1, 1, 1]},
    "steps": 40,
    "warm_up": 5,
    "group": 2,
    "stages": [{"mix": "soft", "crop": 32, "batch": 4}, {"mix": "photo", "crop": 40, "batch": 4}],
}


SILENT = "--no-tensorboard"
"""Twenty pictures take as long to write as such a small network takes to train."""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.yaml"
    path.write_text(yaml.safe_dump(RECIPE))
    return path


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def finished(command, named_folder, recipe, cache, tmp_path_factory):
    """A whole run with every option at its default: its folder, its arguments, and what the command printed."""
    run = tmp_path_factory.mktemp("finished") / "run"
    arguments = ("--data", named_folder, "--config", recipe, "--out", run, "--cache", cache, "--licence", "CC0")
    return run, arguments, command("ensharpen-train", *arguments)


def records(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / LOG_FILE).read_text().splitlines()]


def test_command_trains_and_refuses_to_overwrite(command, finished, tmp_path):
    run, arguments, done = finished
    assert done.returncode == 0, done.stderr
    assert "4 training photographs" in done.stderr
    assert "photo" in done.stdout
    checkpoint = load_checkpoint(run / "tiny.safetensors")
    assert checkpoint.card["licence"] == "CC0"
    assert checkpoint.card["training"]["stage_steps"] == [20, 20]
    assert checkpoint.card["training"]["device"] == "cpu"
    assert checkpoint.card["training"]["settings"]["stages"][1]["mix"] == "photo"
    assert list((run / "tensorboard").glob("events.out.tfevents.*"))
    assert "holds no state" not in done.stderr
    again = command("ensharpen-train", *arguments)
    assert again.returncode == 2
    assert "--resume" in again.stderr
    card = {**checkpoint.card, "scores": [{"suite": "of these weights"}]}
    (run / "tiny.json").write_text(json.dumps(card))
    resumed = command("ensharpen-train", *arguments[:-2], "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "resumed at step 40" in resumed.stderr
    assert load_checkpoint(run / "tiny.safetensors").card == card, "licence, validation and scores are what they were"
    assert set(card["validation"]["cases"]) >= {"shake", "soft 1.6/2.55"}
    picture = tmp_path / "curves.png"
    assert command("ensharpen-train", "curves", run, "--out", picture).returncode == 0
    assert Image.open(picture).size[0] > 1000


def test_a_curve_is_smoothed_but_not_moved():
    few = [3.0, 1.0, 2.0]
    assert running_mean(few) == few
    rng = np.random.default_rng(0)
    noisy = 5.0 + rng.normal(size=2000)
    smooth = np.array(running_mean(noisy.tolist()))
    assert smooth[200:].std() < 0.25 * noisy.std()
    assert abs(smooth - 5.0)[200:].max() < 0.6
    assert running_mean([]) == []


def test_tensorboard_holds_curves_and_pictures(finished):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run, _, _ = finished
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    assert {"loss", "terms/charbonnier", "val_psnr", "val/shake", "mp_per_s"} <= set(events.Tags()["scalars"])
    assert events.Tags()["images"] == ["degraded, output, sharp"]


def test_a_killed_run_goes_on_as_if_it_had_not_been(command, named_folder, recipe, cache, tmp_path):
    """kill -9 in the middle: the resumed run ends with the very weights of an uninterrupted one."""
    settings = ("--data", named_folder, "--config", recipe, "--steps", 100, "--cache", cache, "--threads", 1, SILENT)
    whole = command("ensharpen-train", *settings, "--out", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    run = tmp_path / "cut"
    script = str(Path(sys.executable).parent / "ensharpen-train")
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    process = subprocess.Popen(
        [script, *map(str, settings), "--out", str(run)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and not ((run / LOG_FILE).exists() and len(records(run)) >= 3):
        assert process.poll() is None, "ended before it could be killed"
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert (run / STATE_FILE).exists()
    assert not (run / "tiny.safetensors").exists()
    resumed = command("ensharpen-train", *settings, "--out", run, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    expected, actual = (load_file(p / "tiny.safetensors") for p in (tmp_path / "whole", run))
    assert all(np.array_equal(expected[key], actual[key]) for key in expected)


def test_two_processes_follow_the_same_curve(command, named_folder, recipe, cache, tmp_path):
    """One process, and two by torchrun with gloo, on the same batches: the same loss up to rounding."""
    settings = (
        "--data", named_folder, "--config", recipe, "--cache", cache, "--threads", 1, "--accelerator", "cpu", SILENT,
    )  # fmt: skip
    alone = command("ensharpen-train", *settings, "--out", tmp_path / "one")
    assert alone.returncode == 0, alone.stderr
    launch = ("--standalone", "--nproc-per-node", 2, "-m", "ensharpen_edge.training", *settings)
    pair = command("torchrun", *launch, "--out", tmp_path / "two")
    assert pair.returncode == 0, pair.stderr
    one, two = (records(tmp_path / name) for name in ("one", "two"))
    assert [r["step"] for r in one] == [r["step"] for r in two]
    checks = [(a["val_psnr"], b["val_psnr"]) for a, b in zip(one, two, strict=True) if "val_psnr" in a]
    assert len(checks) >= 10
    assert max(abs(a - b) for a, b in checks) < 0.01
    a, b = ([r["loss"] for r in found if "loss" in r] for found in (one, two))
    assert b == pytest.approx(a, rel=1e-3)


def test_shards_train_too(command, named_folder, recipe, cache, photo_folder, tmp_path):
    for shard in range(2):
        with tarfile.open(tmp_path / f"s-{shard}.tar", "w") as tar:
            for file in sorted(photo_folder.glob("*.png"))[shard * 2 : shard * 2 + 2]:
                tar.add(file, file.name)
            bad = tarfile.TarInfo(f"bad{shard}.png")
            bad.size = 3
            tar.addfile(bad, io.BytesIO(b"bad"))
    pattern = str(tmp_path / "s-{0..1}.tar")
    few = ("--steps", 6, SILENT)
    settings = ("--data", pattern, "--config", recipe, "--out", tmp_path / "run", "--cache", cache, *few)
    done = command("ensharpen-train", *settings)
    assert done.returncode == 2
    assert "--validation" in done.stderr
    done = command("ensharpen-train", *settings, "--validation", named_folder)
    assert done.returncode == 0, done.stderr
    assert "2 files were skipped" in done.stderr
    assert "bad0.png" in done.stderr


def test_label_then_distil(command, named_folder, recipe, cache, tmp_path):
    arguments = ("label", "--data", named_folder, "--teacher", "nano", "-n", 3, "--crop", 64, "--mix", "motion")
    done = command("ensharpen-train", *arguments, "--out", tmp_path / "labels", "--cache", cache)
    assert done.returncode == 0, done.stderr
    assert " crops: " in done.stderr, "how far the teacher can be trusted"
    labels = done.stdout.split("  ")[0]
    settings = ("--data", named_folder, "--config", recipe, "--cache", cache, "--teacher", "nano", "--labels", labels)
    settings += ("--steps", 6, SILENT)
    done = command("ensharpen-train", *settings, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert all("teacher" in r["terms"] for r in records(tmp_path / "run") if "loss" in r)
    assert len(load_checkpoint(tmp_path / "run" / "tiny.safetensors").card["training"]["teacher"]) == 64
    done = command("ensharpen-train", *settings, "--out", tmp_path / "judged", "--evaluation", named_folder)
    assert done.returncode == 9, "what a teacher labelled is trained on as well"
    done = command("ensharpen-train", *arguments[:-1], "fog")
    assert done.returncode == 2
    assert "unknown mix" in done.stderr


def test_what_is_judged_is_not_trained_on(command, named_folder, recipe, cache, photo_folder):
    done = command(
        "ensharpen-train", "--data", named_folder, "--config", recipe, "--cache", cache, "--evaluation", photo_folder
    )
    assert done.returncode == 9
    assert "training photographs are also in" in done.stderr
    done = command(
        "ensharpen-train", "--data", photo_folder, "--config", recipe, "--cache", cache, "--validation", named_folder
    )
    assert done.returncode == 9
    assert "validation photographs" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "--data"),
        (("--data", "nowhere"), 9, "no such folder"),
        (("--data", "{empty}"), 9, "holds no photographs"),
        (("--data", "{bad}"), 9, "no usable photograph"),
        (("--data", "x-{{0..3}}.tar", "--validation", "{empty}"), 9, "no such shard"),
        (("--data", "x-{{0..3}}.tar", "--validation", "{photos}", "--evaluation", "{photos}"), 2, "--evaluation"),
        (("--data", "{photos}", "--config", "nanoo"), 2, "unknown recipe"),
        (("--data", "{photos}", "--teacher", "nowhere.onnx"), 9, "no such teacher"),
        (("--data", "{photos}", "--labels", "{empty}"), 9, "no finished labels"),
        (("--data", "{photos}", "--precision", "bf16"), 2, "unknown precision 'bf16'. Did you mean 'bf16-mixed'?"),
        (("--data", "{photos}", "--accelerator", "tpu"), 2, "accelerator"),
    ],
    ids=str,
)
def test_bad_input_ends_with_its_code(command, named_folder, recipe, cache, tmp_path, arguments, code, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.png").write_text("no")
    places = {"empty": tmp_path / "empty", "bad": tmp_path / "bad", "photos": named_folder}
    filled = [str(argument).format(**places) for argument in arguments]
    given = [] if "--config" in filled else ["--config", str(recipe)]
    done = command("ensharpen-train", *filled, *given, "--out", tmp_path / "run", "--cache", cache)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert not (tmp_path / "run").exists()


def test_preview_draws_every_blur_and_mix(command, photo_folder, tmp_path):
    sheet = tmp_path / "deep" / "sheet.png"
    done = command("ensharpen-train", "preview", "--photo", photo_folder / "raft.png", "--out", sheet)
    assert done.returncode == 0, done.stderr
    picture = np.asarray(Image.open(sheet)).astype(int)
    rows = np.array_split(picture[:, 170:], len(BLURS) + len(MIXES))
    assert len({row.tobytes() for row in rows}) == len(BLURS) + len(MIXES)
    assert all(row.std() > 20 for row in rows)
    assert [p.name for p in sheet.parent.iterdir()] == ["sheet.png"]


def test_recipes_are_printed_to_start_from(command, tmp_path):
    done = command("ensharpen-train", "recipe", "nano")
    assert done.returncode == 0
    assert yaml.safe_load(done.stdout)["model"] == "nano"
    assert "everything" in done.stderr
