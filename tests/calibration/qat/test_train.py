"""A short real training: it improves, it resumes bit for bit, it stops as it must."""

from __future__ import annotations

import dataclasses
import json
import os
import signal

import pytest
import torch
from typer.testing import CliRunner

from ensharpen_edge.calibration.qat.checkpoint import load_quantized
from ensharpen_edge.calibration.qat.config import QatConfig
from ensharpen_edge.calibration.qat.objective import loss_terms
from ensharpen_edge.calibration.qat.saved_state import POINTER, has_state
from ensharpen_edge.errors import BadInputError, IntegrityError, UsageError
from ensharpen_edge.training.interruption import InterruptedRun
from ensharpen_edge.training.log import LOG_FILE

from .conftest import SHORT


def loss_of(network, pool) -> float:
    batch = pool.crops(list(range(len(pool))))
    network.train()  # not clipped, as in training
    with torch.no_grad():
        terms = loss_terms(network(batch.degraded), batch.teacher, batch.targets["sharpen"], SHORT.tolerance)
    network.eval()
    return float(sum(terms.values()))


@pytest.fixture(scope="module")
def prepared(make_run, tmp_path_factory):
    """A trainer before its first step."""
    trainer = make_run(tmp_path_factory.mktemp("prepared")).trainer
    trainer.prepare()
    return trainer


def test_training_improves_the_loss_and_moves_every_step(trained, prepared):
    assert loss_of(trained.network, prepared.pool) < 0.9 * loss_of(prepared.averaged_network(), prepared.pool)
    first, last = (r["loss"] for r in trained.records if "loss" in r and r["step"] in (5, 20))
    assert last < first
    for site in trained.network.placed.sites:
        quantizer = trained.network.quantizer(site.tensor)
        assert quantizer.log_step != quantizer.first_log_step, site.tensor


def test_records_say_what_came_out(trained):
    checks = [record for record in trained.records if "val_psnr" in record]
    assert [record["step"] for record in checks] == [10, 20]
    assert checks[-1]["val_parent"] > checks[-1]["val_degraded"]
    assert checks[-1]["val_agreement"] > 35.0
    lines = (trained.run.trainer.folder / LOG_FILE).read_text().splitlines()
    assert [json.loads(line) for line in lines] == trained.records


def test_a_resumed_run_ends_with_the_same_numbers(trained, make_run, tmp_path):
    first = make_run(tmp_path).trainer
    with pytest.raises(InterruptedRun):
        first.run(lambda record: os.kill(os.getpid(), signal.SIGTERM) if record["step"] == 5 else None)
    assert 5 <= first.standing.step < 10
    second = make_run(tmp_path).trainer
    assert second.resume()
    assert second.standing.step == first.standing.step
    second.run(lambda _record: None)
    whole, cut = trained.run.trainer, second
    for name, value in whole.average.average.items():
        assert torch.equal(value, cut.average.average[name]), name
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, cut.network.state_dict()[name]), name
    assert whole.standing.best_psnr == cut.standing.best_psnr


def test_crops_follow_from_number_and_seed(prepared, make_run, tmp_path):
    other = make_run(tmp_path).trainer.pool
    for numbers in ([3], [0, 5, 3]):
        here, there = prepared.pool.crops(numbers), other.crops(numbers)
        assert torch.equal(here.degraded, there.degraded)
        assert torch.equal(here.teacher, there.teacher)
        assert here.names == there.names
    codes = prepared.pool.crops([7]).degraded * 255.0
    assert torch.allclose(codes, codes.round(), atol=1e-4)
    drawn = [number for step in range(6) for number in prepared.pool._numbers(step)]
    assert sorted(drawn) == list(range(24))
    assert prepared.pool._numbers(6) != prepared.pool._numbers(0)


def test_the_parent_answers_in_the_batch(prepared):
    batch = prepared.pool.crops([2, 4])
    with torch.no_grad():
        answer = prepared.parent(batch.degraded)
    assert (answer - batch.teacher).abs().max() < 3e-4


def test_damaged_and_foreign_states_are_refused(trained, make_run, tmp_path):
    folder = trained.run.trainer.folder
    (state,) = folder.glob("state-*.safetensors")
    assert has_state(folder)
    content = bytearray(state.read_bytes())
    content[-5] ^= 1
    (tmp_path / state.name).write_bytes(content)
    (tmp_path / POINTER).write_bytes((folder / POINTER).read_bytes())
    with pytest.raises(IntegrityError, match="differs from the sha256"):
        make_run(tmp_path).trainer.resume()
    (tmp_path / POINTER).write_text("{}")
    with pytest.raises(IntegrityError, match="names no saved state"):
        make_run(tmp_path).trainer.resume()
    with pytest.raises(IntegrityError, match=r"placement: everything -> convolutions"):
        make_run(folder, dataclasses.replace(SHORT, placement="convolutions")).trainer.resume()


def test_a_loss_that_is_no_number_stops_the_run(make_run, tmp_path):
    trainer = make_run(tmp_path).trainer
    trainer.prepare()
    batch = trainer.pool.batch(0)
    batch.degraded[0, 0, 0, 0] = torch.nan
    with pytest.raises(BadInputError, match=r"not finite at step 0 .* photographs of the batch: .*png"):
        trainer.step(batch)


@pytest.mark.parametrize(
    "change",
    [
        {"placement": "some"},
        {"steps": 0},
        {"learning_rate": 0.0},
        {"tolerance": 0.0},
        {"percentile": 40.0},
        {"seed": -1},
    ],
    ids=str,
)
def test_settings_without_a_meaning_are_refused(change):
    with pytest.raises(UsageError):
        QatConfig(**change)


def test_crops_that_the_network_cannot_take_are_refused(make_run, tmp_path):
    with pytest.raises(UsageError, match="multiple of 8"):
        make_run(tmp_path, dataclasses.replace(SHORT, crop=36))


def test_the_command_trains_and_writes(parent, photo_folder, tmp_path):
    from ensharpen_edge.commands.train import app

    arguments = ["quantize", "nano", "--data", photo_folder, "--steps", "3", "--batch", "2", "--crop", "32"]
    arguments += ["--crops", "8", "--out", tmp_path / "run", "--cache", tmp_path / "cache", "--no-tensorboard"]
    arguments += ["--threads", "1", "--placement", "convolutions", "--licence", "CC0-1.0"]
    done = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == 0
    assert "38 tensors are rounded" in done.stderr
    assert "nano-int8-convolutions.safetensors  validation" in done.stdout
    loaded = load_quantized(tmp_path / "run" / "nano-int8-convolutions.safetensors", parent.sha256)
    assert loaded.card["licence"] == "CC0-1.0"
    assert "encoder.stem.weight" in loaded.floats

    with pytest.raises(UsageError, match="holds a run already"):
        CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
