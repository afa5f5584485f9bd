"""Training on real photographs: it improves, it resumes bit for bit, it refuses what it must."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from ensharpen_edge.data.crops import CropSampler
from ensharpen_edge.data.photos import PhotoSet, is_held_out, list_photos, load_photos
from ensharpen_edge.degrade.registry import BLURS
from ensharpen_edge.errors import BadInputError, IntegrityError, UsageError
from ensharpen_edge.models.config import StudentConfig
from ensharpen_edge.training.ema import WeightAverage
from ensharpen_edge.training.losses import charbonnier
from ensharpen_edge.training.schedule import cosine_with_warmup
from ensharpen_edge.training.trainer import STATE_FILE, Intervals, TrainConfig, Trainer

TINY = StudentConfig("tiny", (8, 8, 16), (1, 1, 1, 1, 1))
FEW = TrainConfig(TINY, steps=24, crop=32, batch=4, learning_rate=3e-3)


def held_out_name() -> str:
    return next(f"v{i}.png" for i in range(1000) if is_held_out(f"v{i}.png"))


@pytest.fixture(scope="module")
def photos(photo_folder) -> PhotoSet:
    """The bundled photographs, one of them under a name that is held out."""
    loaded = load_photos(photo_folder)
    names = tuple(f"t{i}.png" for i in range(1000) if not is_held_out(f"t{i}.png"))[: len(loaded) - 1]
    return PhotoSet((*names, held_out_name()), loaded.images)


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    average = {f"average.{name}": value for name, value in trainer.average.average.items()}
    return {**trainer.model.state_dict(), **average}


def test_a_few_seconds_of_training_sharpen(photos, tmp_path):
    torch.set_num_threads(2)
    config = dataclasses.replace(FEW, steps=250, crop=64, ema=0.98)
    trainer = Trainer(config, photos, tmp_path, Intervals(log_steps=25))
    records: list[dict] = []
    trainer.run(records.append)
    before, after = trainer.validation_scores()
    assert after > before + 0.15
    assert records[-1]["val_psnr"] == pytest.approx(after, abs=1e-3)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines == records


def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(photos, tmp_path):
    straight = Trainer(FEW, photos, tmp_path / "straight")
    straight.run(lambda _: None)

    first = Trainer(FEW, photos, tmp_path / "cut")
    (tmp_path / "cut").mkdir()
    for _ in range(10):
        first.step()
    first.save()
    for _ in range(3):  # work after the last save is lost, as in a kill
        first.step()
    second = Trainer(FEW, photos, tmp_path / "cut")
    assert second.resume()
    assert second.progress.step == 10
    second.run(lambda _: None)
    expected, actual = weights(straight), weights(second)
    assert expected.keys() == actual.keys()
    assert all(torch.equal(expected[name], actual[name]) for name in expected)


def test_state_of_other_settings_is_refused(photos, tmp_path):
    Trainer(FEW, photos, tmp_path).save()
    other = Trainer(dataclasses.replace(FEW, batch=5), photos, tmp_path)
    with pytest.raises(IntegrityError, match="batch: 4 -> 5"):
        other.resume()
    (tmp_path / STATE_FILE).write_bytes(b"\0" * 100)
    with pytest.raises(IntegrityError, match="not a readable"):
        Trainer(FEW, photos, tmp_path).resume()


def test_nan_loss_stops_with_the_step(photos, tmp_path):
    trainer = Trainer(FEW, photos, tmp_path)
    trainer.step()
    torch.nn.init.constant_(trainer.model.decoder.head.bias, float("nan"))
    with pytest.raises(BadInputError, match="step 1"):
        trainer.step()


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 0},
        {"minutes": 1.0},
        {"crop": 30},
        {"batch": 0},
        {"learning_rate": -1.0},
        {"steps": 0, "minutes": math.inf},
    ],
    ids=str,
)
def test_impossible_settings(change):
    with pytest.raises(UsageError):
        dataclasses.replace(FEW, **change)


def test_minutes_become_steps_once(photos, tmp_path):
    trainer = Trainer(dataclasses.replace(FEW, steps=0, minutes=0.03), photos, tmp_path)
    trainer.run(lambda _: None)
    assert trainer.progress.step == trainer.progress.total_steps > 33


def test_too_few_photographs(photos, tmp_path):
    with pytest.raises(BadInputError, match="too few"):
        Trainer(FEW, photos.subset(lambda name: not is_held_out(name)), tmp_path)


def test_crops_come_from_the_photographs_and_cover_them(photos):
    image = photos.images[0]
    sampler = CropSampler(PhotoSet(("a",), (image,)), 64)
    batch = sampler.draw(64, torch.Generator().manual_seed(0))
    assert batch.shape == (64, 3, 64, 64)
    present = {tuple(pixel) for pixel in image.reshape(-1, 3).tolist()}
    sample = (batch[3] * 255).round().to(torch.uint8).permute(1, 2, 0).reshape(-1, 3)
    assert all(tuple(pixel) in present for pixel in sample.tolist())
    assert torch.equal(batch, sampler.draw(64, torch.Generator().manual_seed(0)))
    with pytest.raises(BadInputError, match="smaller than the"):
        CropSampler(photos, 500)


def test_bad_files_are_named_and_skipped(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "good.png")
    Image.fromarray(photo[:20, :20]).save(tmp_path / "small.png")
    (tmp_path / "bad.jpg").write_text("no")
    photos = load_photos(tmp_path, minimum_side=64)
    assert photos.names == ("good.png",)
    assert len(photos.skipped) == 2
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInputError, match="no photographs"):
        list_photos(tmp_path / "empty")
    (tmp_path / "good.png").unlink()
    with pytest.raises(BadInputError, match="no usable"):
        load_photos(tmp_path, minimum_side=64)


def test_held_out_share_is_one_in_sixteen():
    assert np.mean([is_held_out(f"{i}.jpg") for i in range(8000)]) == pytest.approx(1 / 16, abs=0.01)


def test_schedule():
    rates = [cosine_with_warmup(step, 1000, 1e-3, warmup=100) for step in range(1001)]
    assert rates[99] == pytest.approx(1e-3)
    assert rates[-1] == pytest.approx(1e-6)
    assert all(a <= b for a, b in itertools.pairwise(rates[:100]))
    assert all(a >= b for a, b in itertools.pairwise(rates[100:]))


def test_weight_average_follows_its_formula():
    layer = torch.nn.Linear(2, 2)
    average = WeightAverage(layer, decay=0.9)
    start = layer.weight.detach().clone()
    torch.nn.init.zeros_(layer.weight)
    average.update(layer)
    assert torch.allclose(average.average["weight"], start * (2 / 11))


def test_charbonnier_is_l1_with_a_smooth_bottom():
    a, b = torch.tensor([0.0, 1.0]), torch.tensor([0.0, 0.0])
    assert charbonnier(a, b).item() == pytest.approx((1e-3 + 1.0000005) / 2, rel=1e-5)


def test_preview_draws_every_blur(command, photo_folder, tmp_path):
    sheet = tmp_path / "deep" / "sheet.png"
    done = command("ensharpen-train", "preview", "--photo", photo_folder / "raft.png", "--out", sheet)
    assert done.returncode == 0, done.stderr
    picture = np.asarray(Image.open(sheet)).astype(int)
    rows = np.array_split(picture[:, 170:], len(BLURS))
    assert len({row.tobytes() for row in rows}) == len(BLURS) >= 7
    assert all(row.std() > 20 for row in rows)
    assert [p.name for p in sheet.parent.iterdir()] == ["sheet.png"]


def test_training_without_photographs_is_a_usage_error(command):
    done = command("ensharpen-train")
    assert done.returncode == 2
    assert "--data" in done.stderr


def test_command_trains_and_refuses_to_overwrite(command, photo_folder, tmp_path):
    for index, file in enumerate(sorted(photo_folder.glob("*.png"))):
        name = held_out_name() if index == 0 else f"t{index}.png"
        (tmp_path / "photos").mkdir(exist_ok=True)
        (tmp_path / "photos" / name).symlink_to(file)
    arguments = (
        "--data",
        tmp_path / "photos",
        "--steps",
        60,
        "--batch",
        2,
        "--crop",
        32,
        "--out",
        tmp_path / "run",
    )
    done = command("ensharpen-train", *arguments)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "nano.safetensors").exists()
    again = command("ensharpen-train", *arguments)
    assert again.returncode == 2
    assert "--resume" in again.stderr
    resumed = command("ensharpen-train", *arguments, "--resume")
    assert resumed.returncode == 0
    assert "resumed at step 60" in resumed.stderr
