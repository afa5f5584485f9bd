"""The training loop on real photographs: it improves, it resumes bit for bit, it stops as it must."""

from __future__ import annotations

import dataclasses
import json
import math
import multiprocessing
import os
import signal

import pytest
import torch

from ensharpen_edge.data.photos import PhotoSet, is_held_out
from ensharpen_edge.data.source import FolderSource
from ensharpen_edge.degrade.mix import DegradationMix
from ensharpen_edge.degrade.mixes import MIXES
from ensharpen_edge.errors import BadInputError, IntegrityError, UsageError
from ensharpen_edge.models.student import Student
from ensharpen_edge.training.batches import BatchSource, degrade_groups, iterate_batches
from ensharpen_edge.training.card import training_card
from ensharpen_edge.training.config import DistillationConfig, TrainConfig
from ensharpen_edge.training.curriculum import Stage, place_by_steps
from ensharpen_edge.training.distillation.labels import LabelConfig, read_labels, write_labels
from ensharpen_edge.training.distillation.teacher import open_teacher
from ensharpen_edge.training.ema import WeightAverage
from ensharpen_edge.training.interruption import InterruptedRun
from ensharpen_edge.training.launch import Hardware, emulates_bf16, shared_out, start
from ensharpen_edge.training.log import LOG_FILE
from ensharpen_edge.training.losses.adversarial import AdversarialConfig
from ensharpen_edge.training.losses.registry import LossTerm
from ensharpen_edge.training.provenance import Provenance, Statement
from ensharpen_edge.training.recipe import find_recipe, load_recipe
from ensharpen_edge.training.state import save_weights
from ensharpen_edge.training.step import STATE_FILE
from ensharpen_edge.training.tasks import make_tasks, sharp_side
from ensharpen_edge.training.trainer import Intervals, step_seconds
from ensharpen_edge.training.validation import validate, validation_set

CPU = torch.device("cpu")


def weights(trainer) -> dict[str, torch.Tensor]:
    found = {f"average.{name}": value for name, value in trainer.average.average.items()}
    for name, module in trainer.state.modules.items():
        found |= {f"{name}.{key}": value.clone() for key, value in module.state_dict().items()}
    return found


def steps(trainer, count: int) -> None:
    """Some steps of the loop, without its end."""
    timeline = trainer.timeline
    source = trainer._source(timeline)
    first = trainer.standing.step
    for number in range(first, first + count):
        trainer._enter_stage(timeline, timeline.index_at(number))
        trainer.stepper.step(degrade_groups(source[number], trainer.config, timeline, CPU), number, timeline.total)
        trainer.average.update(trainer.network)
        trainer.standing = dataclasses.replace(trainer.standing, step=number + 1)


@pytest.mark.slow
def test_a_few_seconds_of_training_sharpen(make_trainer, few, tmp_path):
    config = dataclasses.replace(few, steps=260, stages=(Stage("soft", crop=64, batch=4),), ema=0.98)
    records: list[dict] = []
    trainer = make_trainer(config, tmp_path, Intervals(log_steps=25, validations=4))
    network = trainer.run(records.append)
    given, returned = trainer.standing.best_cases["soft 1.6/2.55"]
    assert returned > given + 0.15
    assert trainer.standing.best_psnr == pytest.approx(max(r["val_psnr"] for r in records if "val_psnr" in r), abs=1e-3)
    lines = [json.loads(line) for line in (tmp_path / LOG_FILE).read_text().splitlines()]
    assert lines == records
    assert len([r for r in records if "val_psnr" in r]) == 4
    assert all({"loss", "terms", "mp_per_s", "busy", "stage", "strength"} <= set(r) for r in records if "loss" in r)
    assert isinstance(network, Student)
    assert not network.training


VARIANTS = {
    "plain": {},
    "grown": {"stages": (Stage("soft", 1.0, 32, 4, depth=0.5), Stage("motion", 1.0, 32, 4))},
    "adversarial": {"adversarial": AdversarialConfig("patch", warm_up=0.1, width=8)},
    "features": {"distillation": DistillationConfig("nano", features=0.1)},
    "losses": {"losses": (LossTerm("l1"), LossTerm("dct", 0.02), LossTerm("sobel", 0.1))},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(name, make_trainer, few, tmp_path):
    config = dataclasses.replace(few, **VARIANTS[name])
    given = {"teacher": open_teacher("nano")} if config.distillation else {}
    straight = make_trainer(config, tmp_path / "straight", **given)
    straight.run(lambda _: None)
    first = make_trainer(config, tmp_path / "cut", **given)
    (tmp_path / "cut").mkdir()
    steps(first, 14)
    first.save()
    steps(first, 3)  # work after the last save is lost, as in a kill
    second = make_trainer(config, tmp_path / "cut", **given)
    assert second.resume()
    assert second.standing.step == 14
    second.run(lambda _: None)
    expected, actual = weights(straight), weights(second)
    assert expected.keys() == actual.keys()
    assert all(torch.equal(expected[key], actual[key]) for key in expected)


def test_workers_and_groups_change_nothing(few, photos):
    """A batch is the same whoever draws it: a worker process, this one, or two processes that share it."""
    timeline = place_by_steps(few.stages, few.steps)
    folder = FolderSource(photos.split()[0])
    alone = list(iterate_batches(BatchSource(few, timeline, folder), 20, CPU, workers=0))
    ahead = list(iterate_batches(BatchSource(few, timeline, folder), 20, CPU, workers=1))
    shares = [
        list(iterate_batches(BatchSource(few, timeline, folder, rank=rank, world=2), 20, CPU, workers=0))
        for rank in (0, 1)
    ]
    assert len(alone) == len(ahead) == 4
    for a, b, first, second in zip(alone, ahead, *shares, strict=True):
        assert torch.equal(a.degraded, b.degraded)
        assert torch.equal(a.targets["sharpen"], b.targets["sharpen"])
        assert torch.equal(a.degraded, torch.cat([first.degraded, second.degraded]))
        assert a.names == b.names == first.names + second.names
    with pytest.raises(UsageError, match="cannot be shared by 3"):
        BatchSource(few, timeline, folder, world=3)


def test_labels_take_their_share_of_the_batch(few, photos, tmp_path):
    folder = write_labels(open_teacher("nano"), photos, LabelConfig(None, 64), 2, tmp_path)
    labels = read_labels(folder)
    config = dataclasses.replace(few, group=4, distillation=DistillationConfig(labels=str(folder), labelled=0.5))
    timeline = place_by_steps(config.stages, config.steps)
    source = BatchSource(config, timeline, FolderSource(photos), labels)
    batch = degrade_groups(source[0], config, timeline, CPU)
    assert batch.labelled.tolist() == [0, 0, 1, 1]
    assert batch.known.tolist() == [1, 1, 0, 0]
    assert [name.startswith("label") for name in batch.names] == [False, False, True, True]
    codes = {tuple(pixel) for pixel in labels.teacher.transpose(0, 2, 3, 1).reshape(-1, 3).tolist()}
    drawn = (batch.teacher[2:] * 255).round().to(torch.uint8).permute(0, 2, 3, 1).reshape(-1, 3).tolist()
    assert all(tuple(pixel) in codes for pixel in drawn)
    with pytest.raises(BadInputError, match="64 pixels wide"):
        BatchSource(config, place_by_steps((Stage(crop=72),), 5), FolderSource(photos), labels)


@pytest.mark.parametrize("heads", [("upscale2",), ("denoise",), ("colour",), ("sharpen", "upscale2")], ids=str)
def test_every_task_trains_and_is_validated(heads, make_trainer, few, tmp_path):
    model = dataclasses.replace(few.model, heads=heads, estimator=True, multiscale=True)
    config = dataclasses.replace(few, model=model, stages=(Stage("soft", crop=32, batch=4),), steps=6)
    records: list[dict] = []
    make_trainer(config, tmp_path, Intervals(1, 1)).run(records.append)
    expected = {"charbonnier" if head == "sharpen" else f"charbonnier {head}" for head in heads} | {"estimate"}
    assert expected <= set(records[0]["terms"])
    assert records[-1]["val_psnr"] > 5


def test_state_of_other_settings_is_refused(make_trainer, few, tmp_path):
    make_trainer(few, tmp_path).save()
    other = make_trainer(dataclasses.replace(few, learning_rate=1e-4), tmp_path)
    with pytest.raises(IntegrityError, match=r"learning_rate: 0\.003 -> 0\.0001"):
        other.resume()
    (tmp_path / STATE_FILE).write_bytes(b"\0" * 100)
    with pytest.raises(IntegrityError, match="not a readable"):
        make_trainer(few, tmp_path).resume()


def test_nan_stops_with_step_files_and_last_state(make_trainer, few, tmp_path):
    trainer = make_trainer(few, tmp_path)
    steps(trainer, 2)
    trainer.save()
    saved = (tmp_path / STATE_FILE).read_bytes()
    torch.nn.init.constant_(trainer.network.decoder.heads["sharpen"].bias, float("nan"))
    with pytest.raises(
        BadInputError, match=r"step 2 \(charbonnier nan\).*t\d+\.png.*last good state: .*state"
    ) as error:
        trainer.run(lambda _: None)
    assert "another --out" in str(error.value.hint)
    assert (tmp_path / STATE_FILE).read_bytes() == saved


def test_an_overflowing_gradient_stops_before_it_spoils_the_average(make_trainer, few, tmp_path):
    trainer = make_trainer(few, tmp_path)
    trainer.network.decoder.heads["sharpen"].bias.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(BadInputError, match=r"the gradient is not finite at step 0"):
        trainer.run(lambda _: None)
    assert all(torch.isfinite(value).all() for value in trainer.averaged_network().state_dict().values())


def test_nan_is_no_score(few, photos):
    network = Student(few.model)
    torch.nn.init.constant_(network.decoder.heads["sharpen"].bias, float("nan"))
    assert validate(network, validation_set(photos)).after == -math.inf


def test_a_full_disk_loses_nothing(make_trainer, few, tmp_path, monkeypatch):
    trainer = make_trainer(few, tmp_path)
    steps(trainer, 2)
    trainer.save()
    saved = (tmp_path / STATE_FILE).read_bytes()

    def full(*_args: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ensharpen_edge.training.state.save_file", full)
    with pytest.raises(BadInputError, match=r"No space left on device.*earlier state is untouched"):
        trainer.save()
    with pytest.raises(BadInputError, match="No space left on device"):
        trainer.run(lambda _: None)
    assert (tmp_path / STATE_FILE).read_bytes() == saved
    assert {p.name for p in tmp_path.iterdir()} <= {STATE_FILE, LOG_FILE}


def test_minutes_become_steps_once_and_timing_leaves_no_trace(make_trainer, few, tmp_path):
    config = dataclasses.replace(few, steps=0, minutes=0.02)
    trainer = make_trainer(config, tmp_path)
    before = weights(trainer)
    planned = trainer.plan()
    assert all(torch.equal(before[key], value) for key, value in weights(trainer).items())
    assert trainer.plan() == planned
    assert len(planned.steps) == 2
    trainer.run(lambda _: None)
    again = make_trainer(config, tmp_path)
    again.resume()
    assert again.plan() == planned
    assert again.standing.step == planned.total


def test_a_gpu_degrades_while_it_trains():
    cores = torch.get_num_threads()
    assert step_seconds(2.0, 1.0, torch.device("cuda"), workers=2) == 2.0
    assert step_seconds(1.0, 3.0, torch.device("cuda"), workers=2) == 3.0
    assert step_seconds(2.0, 1.0, CPU, workers=0) == 3.0
    assert step_seconds(2.0, 1.0, CPU, workers=1) == pytest.approx(2.0 + 1.0 / cores)


def test_half_precision_really_rounds(make_trainer, few, tmp_path):
    losses = {}
    for precision in ("32-true", "bf16-mixed"):
        records: list[dict] = []
        config = dataclasses.replace(few, precision=precision, steps=4)
        make_trainer(config, tmp_path / precision, Intervals(1, 1)).run(records.append)
        losses[precision] = [r["loss"] for r in records if "loss" in r]
    assert losses["bf16-mixed"] != losses["32-true"]
    assert losses["bf16-mixed"] == pytest.approx(losses["32-true"], rel=0.1)


def test_a_run_goes_on_with_the_same_materials_only(make_trainer, few, tmp_path):
    make_trainer(few, tmp_path, key="these").save()
    assert make_trainer(few, tmp_path, key="these").resume()
    with pytest.raises(IntegrityError, match="the photographs, labels or teacher have changed"):
        make_trainer(few, tmp_path, key="those").resume()


def test_an_interruption_waits_for_the_end_of_a_step(make_trainer, few, tmp_path):
    """Ctrl-C in the middle of a step: the state that is saved is that of a whole step."""
    trainer = make_trainer(few, tmp_path / "cut")
    step = trainer.stepper.step

    def interrupted(batch, number, total):
        if number == 9:
            os.kill(os.getpid(), signal.SIGINT)
        return step(batch, number, total)

    trainer.stepper.step = interrupted
    with pytest.raises(InterruptedRun):
        trainer.run(lambda _: None)
    resumed = make_trainer(few, tmp_path / "cut")
    assert resumed.resume()
    assert resumed.standing.step == 10
    resumed.run(lambda _: None)
    straight = make_trainer(few, tmp_path / "straight")
    straight.run(lambda _: None)
    expected, actual = weights(straight), weights(resumed)
    assert all(torch.equal(expected[key], actual[key]) for key in expected)


def test_what_goes_wrong_in_a_worker_arrives_as_it_was(few, photos):
    stages = (Stage(crop=400, batch=4),)
    config = dataclasses.replace(few, stages=stages)
    source = BatchSource(config, place_by_steps(stages, 4), FolderSource(photos))
    with pytest.raises(BadInputError, match=r"smaller than the 424-pixel crop") as error:
        next(iter(iterate_batches(source, 0, CPU, workers=1)))
    assert "Traceback" not in str(error.value)


def test_small_groups_get_their_share_of_labels(few, photos, tmp_path):
    folder = write_labels(open_teacher("nano"), photos, LabelConfig(None, 64), 2, tmp_path)
    config = dataclasses.replace(few, group=1, distillation=DistillationConfig(labels=str(folder), labelled=0.25))
    timeline = place_by_steps(config.stages, config.steps)
    source = BatchSource(config, timeline, FolderSource(photos), read_labels(folder))
    assert sum(len(group.known) for group in source[0]) == 1


def test_a_run_can_be_judged_by_its_own_mix(photos, few):
    held_out = photos.subset(is_held_out)
    assert few.judging_mix is None
    protocol = validation_set(held_out)
    assert len(set(protocol.cases)) == len(protocol.cases) / len(held_out) == 4
    motion = dataclasses.replace(few, judge="mix", stages=(Stage("soft", crop=32), Stage("motion", crop=32)))
    assert motion.judging_mix is MIXES["motion"]
    drawn = validation_set(held_out, mix=motion.judging_mix)
    assert drawn.sharp.shape == protocol.sharp.shape
    first, second = drawn.degraded[: len(held_out)], drawn.degraded[len(held_out) : 2 * len(held_out)]
    assert not torch.equal(first, second), "every round of draws blurs differently"
    assert torch.equal(validation_set(held_out, mix=motion.judging_mix).degraded, drawn.degraded)
    assert torch.equal(drawn.sharp[: len(held_out)], protocol.sharp[: len(held_out)]), "the same centres"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU with a driver")
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_training_on_a_gpu(precision, photos, few, tmp_path):
    from ensharpen_edge.training.launch import start
    from ensharpen_edge.training.trainer import Materials, Trainer

    config = dataclasses.replace(few, precision=precision)
    materials = Materials(FolderSource(photos.split()[0]), validation_set(photos.subset(is_held_out)))
    trainer = Trainer(start(config, Hardware("cuda", deterministic=True)), config, materials, tmp_path)
    records: list[dict] = []
    trainer.run(records.append)
    assert records[-2]["loss"] < 0.2
    assert Trainer(trainer.fabric, config, materials, tmp_path).resume()


def test_weight_average_follows_its_formula():
    layer = torch.nn.Linear(2, 2)
    average = WeightAverage(layer, decay=0.9)
    start = layer.weight.detach().clone()
    torch.nn.init.zeros_(layer.weight)
    average.update(layer)
    assert torch.allclose(average.average["weight"], start * (2 / 11))


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 0},
        {"minutes": 1.0},
        {"learning_rate": -1.0},
        {"ema": 1.0},
        {"group": 0},
        {"steps": 0, "minutes": float("inf")},
        {"stages": (Stage(mix="fog"),)},
        {"stages": (Stage(depth=1.0), Stage(depth=0.5))},
    ],
    ids=str,
)
def test_impossible_settings(few, change):
    with pytest.raises(UsageError):
        dataclasses.replace(few, **change)


def test_impossible_hardware():
    with pytest.raises(UsageError):
        Hardware("tpu")
    with pytest.raises(UsageError):
        Hardware("cpu", threads=-1)
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="CUDA"):
            Hardware("cuda")


def test_half_precision_without_a_range_is_for_gpus(few):
    with pytest.raises(UsageError, match="16-mixed is for GPUs"):
        start(dataclasses.replace(few, precision="16-mixed"), Hardware("cpu", threads=torch.get_num_threads()))


@pytest.mark.parametrize("name", ["nano", "small", "base"])
@pytest.mark.parametrize("processes", [2, 8])
def test_every_recipe_can_be_shared_out(name, processes):
    config = shared_out(load_recipe(find_recipe(name), {"steps": 100}), processes)
    timeline = place_by_steps(config.stages, config.steps)
    for rank in range(processes):
        BatchSource(config, timeline, FolderSource(PhotoSet((), ())), rank=rank, world=processes)
    with pytest.raises(UsageError, match="cannot be shared by 7 processes"):
        shared_out(config, 7)


def test_workers_leave_signals_to_the_loop(few, photos):
    """A batch system's SIGTERM goes to every process of a run: the loop saves, and needs its workers until then."""
    timeline = place_by_steps(few.stages, few.steps)
    batches = iterate_batches(BatchSource(few, timeline, FolderSource(photos.split()[0])), 0, CPU, workers=1)
    next(batches)
    (worker,) = multiprocessing.active_children()
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(worker.pid, number)
    assert len(list(batches)) == timeline.total - 1


@pytest.mark.parametrize("lost", ["gone", "other"])
def test_without_the_best_weights_there_was_no_best(lost, make_trainer, few, tmp_path):
    first = make_trainer(few, tmp_path)
    first.run(lambda _: None)
    assert make_trainer(few, tmp_path).resume()
    if lost == "gone":
        first.best_file.unlink()
    else:
        save_weights(first.best_file, make_trainer(few, tmp_path / "new").average)
    again = make_trainer(few, tmp_path)
    again.resume()
    assert again.standing.best_psnr == float("-inf")
    assert again.standing.step == few.steps


def test_a_finished_run_without_its_best_is_validated_again(make_trainer, few, tmp_path):
    make_trainer(few, tmp_path).run(lambda _: None)
    again = make_trainer(few, tmp_path)
    again.best_file.unlink()
    again.resume()
    again.run(lambda _: None)
    assert again.standing.best_step == few.steps
    assert math.isfinite(training_card(again, Provenance(Statement(), 1, 1.0, None))["validation"]["psnr"])


def test_an_error_in_the_loop_ends_the_workers(make_trainer, few, tmp_path):
    trainer = make_trainer(few, tmp_path)
    trainer.workers = 1

    def broken(*_):
        raise RuntimeError("CUDA error: something else")

    trainer.stepper.step = broken
    with pytest.raises(RuntimeError, match="something else"):
        trainer.run(lambda _: None)
    assert not multiprocessing.active_children(), "they ignore SIGTERM: the process would wait for them at its end"


def test_growing_networks_are_validated_as_they_are_trained(make_trainer, few, tmp_path):
    stages = (dataclasses.replace(few.stages[0], depth=0.5), few.stages[1])
    trainer = make_trainer(dataclasses.replace(few, stages=stages), tmp_path, Intervals(validations=8))
    records: list[dict] = []
    trainer.run(records.append)
    scores = {r["step"]: r["val_psnr"] for r in records if "val_psnr" in r}
    deep = {step: score for step, score in scores.items() if step > 12}
    assert trainer.standing.best_step in deep, "what ran fewer blocks is another network"
    assert trainer.standing.best_psnr == pytest.approx(max(deep.values()), abs=1e-3)


def test_other_tasks_leave_a_colour_cast_alone(few, photos):
    generator = torch.Generator().manual_seed(0)
    side = sharp_side(32, 1)
    sharp = torch.from_numpy(FolderSource(photos).sampler(0, side).draw(4, generator).pixels).float() / 255.0
    mix = DegradationMix(identity=1.0, jpeg=0.0)
    together = make_tasks(sharp, ("sharpen", "colour"), mix, torch.Generator().manual_seed(1), 1.0)
    alone = make_tasks(sharp, ("sharpen",), mix, torch.Generator().manual_seed(1), 1.0)
    change = (together.degraded - together.targets["sharpen"]).abs().mean()
    assert change < 0.3 * (together.degraded - together.targets["colour"]).abs().mean()
    assert (together.targets["colour"] - alone.targets["sharpen"]).abs().max() < 1e-6


@pytest.mark.parametrize(
    ("capabilities", "emulated"),
    [
        ({"architecture": "x86_64", "avx512_bf16": False, "amx_bf16": False}, True),
        ({"architecture": "x86_64", "avx512_bf16": True, "amx_bf16": False}, False),
        ({"architecture": "x86_64", "amx_bf16": True}, False),
        ({"architecture": "aarch64"}, False),
        ({}, False),
    ],
)
def test_a_processor_without_bfloat16_is_noticed(monkeypatch, capabilities, emulated):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert emulates_bf16() is emulated


def test_labels_teach_one_head_only(few):
    model = dataclasses.replace(few.model, heads=("sharpen", "denoise"))
    with pytest.raises(UsageError, match="labels hold sharpened"):
        TrainConfig(model, steps=1, distillation=DistillationConfig(labels="x"))
