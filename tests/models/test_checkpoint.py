from __future__ import annotations

import json

import pytest
import torch

from ensharpen_edge.errors import BadInputError, IntegrityError, UsageError
from ensharpen_edge.models.checkpoint import find_checkpoint, load_checkpoint, save_checkpoint, shipped_models
from ensharpen_edge.models.config import NANO
from ensharpen_edge.models.folding import merge_separable
from ensharpen_edge.models.student import Student


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "mine.safetensors"
    save_checkpoint(Student(NANO), path, {"name": "mine"})
    return path


def test_round_trip(saved):
    loaded = find_checkpoint(str(saved))
    assert loaded.network.config == NANO
    assert loaded.card["name"] == "mine"
    assert {p.name for p in saved.parent.iterdir()} == {"mine.safetensors", "mine.json"}


def test_dense_weights_are_stored_in_half_precision(tmp_path):
    dense = merge_separable(find_checkpoint("nano").network)
    path = tmp_path / "dense.safetensors"
    save_checkpoint(dense, path, {"name": "mine"})
    assert path.stat().st_size < 2.1 * sum(p.numel() for p in dense.parameters())
    loaded = load_checkpoint(path).network
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert next(loaded.parameters()).dtype == torch.float32
        assert float((loaded(image) - dense(image)).abs().max()) < 0.5 / 255


def test_one_flipped_byte_is_refused(saved):
    data = bytearray(saved.read_bytes())
    data[-1] ^= 1
    saved.write_bytes(bytes(data))
    with pytest.raises(IntegrityError, match="sha256"):
        load_checkpoint(saved)


@pytest.mark.parametrize(
    "damage",
    ["", "{", "[]", '{"sha256": "0", "config": []}', '{"sha256": "0"}', '{"sha256": "0", "config": {"name": "x"}}'],
)
def test_damaged_cards_are_refused(saved, damage):
    saved.with_suffix(".json").write_text(damage)
    with pytest.raises(IntegrityError, match="card"):
        load_checkpoint(saved)


def test_card_of_another_model_is_refused(saved):
    card = json.loads(saved.with_suffix(".json").read_text())
    card["config"]["widths"] = [8, 16, 32]
    saved.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(IntegrityError, match="does not hold"):
        load_checkpoint(saved)


def test_nan_weights_are_named(tmp_path):
    student = Student(NANO)
    student.encoder.stem.weight.data[0, 0, 0, 0] = float("nan")
    save_checkpoint(student, tmp_path / "nan.safetensors", {})
    with pytest.raises(BadInputError, match=r"encoder\.stem\.weight"):
        load_checkpoint(tmp_path / "nan.safetensors")


def test_missing_and_unknown():
    with pytest.raises(IntegrityError):
        find_checkpoint("nowhere.safetensors")
    with pytest.raises(UsageError, match="Did you mean 'nano'"):
        find_checkpoint("nanoo")


@pytest.mark.parametrize("name", list(shipped_models()))
def test_shipped_weights_say_where_they_come_from(name):
    checkpoint = find_checkpoint(name)
    assert checkpoint.card["licence"] != "not stated"
    assert checkpoint.card["training"]["data"] != "not stated"
    assert checkpoint.card["scores"], "the card states no score"
    for score in checkpoint.card["scores"]:
        assert {"suite", "photographs", "protocol", "artifact", "command", "psnr"} <= set(score)
    assert all(torch.isfinite(p).all() for p in checkpoint.network.parameters())
