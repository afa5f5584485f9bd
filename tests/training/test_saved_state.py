"""A training state that is not what was saved is refused, and a folder takes one training at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from ensharpen_edge.errors import IntegrityError, UsageError
from ensharpen_edge.training.run_lock import LOCK_FILE, run_lock
from ensharpen_edge.training.state_checks import state_hash
from ensharpen_edge.training.step import STATE_FILE


@pytest.fixture(scope="module")
def saved(make_trainer, few, tmp_path_factory) -> bytes:
    """The state of a finished run of `few`."""
    folder = tmp_path_factory.mktemp("saved")
    make_trainer(few, folder).run(lambda _: None)
    return (folder / STATE_FILE).read_bytes()


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.999])
def test_a_flipped_bit_is_noticed(saved, make_trainer, few, tmp_path, share):
    data = bytearray(saved)
    data[int(share * len(data))] ^= 4
    (tmp_path / STATE_FILE).write_bytes(data)
    with pytest.raises(IntegrityError):
        make_trainer(few, tmp_path).resume()


@pytest.mark.parametrize("hashed", [True, False], ids=["with a new hash", "of an earlier version"])
@pytest.mark.parametrize(
    ("part", "message"),
    [("average.", "average"), (".exp_avg", "optimizer"), ("optimizer.", "optimizer"), ("nan", "NaN")],
    ids=["average", "part of the optimizer", "optimizer", "nan"],
)
def test_an_incomplete_or_broken_state_is_refused(saved, make_trainer, few, tmp_path, part, message, hashed):
    """Whoever alters it may hash it again: parts and numbers are looked at as well."""
    path = tmp_path / STATE_FILE
    path.write_bytes(saved)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    if part == "nan":
        next(tensor for name, tensor in tensors.items() if name.startswith("module.")).view(-1)[0] = torch.nan
    else:
        found = [name for name in tensors if part in name]
        for name in found if part == "optimizer." else found[:1]:
            del tensors[name]
    del metadata["sha256"]
    if hashed:
        metadata["sha256"] = state_hash(tensors, metadata)
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(IntegrityError, match=message):
        make_trainer(few, tmp_path).resume()


HOLD = """
import sys, time
from pathlib import Path
from ensharpen_edge.training.run_lock import run_lock
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@contextmanager
def held_by_another(folder: Path) -> Iterator[int]:
    """A process that trains in the folder until it is killed; its number."""
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder.pid
    finally:
        holder.kill()
        holder.wait()


def test_a_second_training_is_refused_until_the_first_has_ended(tmp_path):
    with held_by_another(tmp_path) as pid:
        refused = pytest.raises(UsageError, match=f"another training is at work there .process {pid} on ")
        with refused, run_lock(tmp_path):
            pass
    with run_lock(tmp_path):
        assert json.loads((tmp_path / LOCK_FILE).read_text())["pid"] == os.getpid()


def test_the_command_refuses_a_folder_that_is_held(command, named_folder, tmp_path):
    run = tmp_path / "run"
    with held_by_another(run) as pid:
        done = command(
            "ensharpen-train", "--data", named_folder, "--steps", 40, "--out", run, "--cache", tmp_path / "cache"
        )
    assert done.returncode == 2, done.stderr
    assert f"process {pid}" in done.stderr
    assert not (run / STATE_FILE).exists()
