"""Quantized checkpoints hold the network that was trained, and nothing that was damaged passes for one."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from ensharpen_edge.calibration.qat.checkpoint import load_quantized, restored, save_quantized
from ensharpen_edge.calibration.qat.quantized_graph import QuantizedGraph
from ensharpen_edge.calibration.qat.validation import outputs_of
from ensharpen_edge.calibration.run import graph_hash
from ensharpen_edge.errors import BadInputError, IntegrityError
from ensharpen_edge.files import sha256_of

STEM = "/encoder/stem/Conv_output_0"


@pytest.fixture
def altered(trained, tmp_path):
    """Write the checkpoint with other numbers, and with a card that fits them or is changed."""

    def write(change=None, card_change=None):
        arrays, card = load_file(trained.path), json.loads(trained.path.with_suffix(".json").read_text())
        if change is not None:
            change(arrays)
        path = tmp_path / trained.path.name
        save_file(arrays, path)
        card["sha256"] = sha256_of(path)
        if card_change is not None:
            card_change(card)
        path.with_suffix(".json").write_text(json.dumps(card))
        return path

    return write


def test_it_holds_what_was_trained(trained, float_graph, parent):
    loaded = load_quantized(trained.path, parent.sha256, graph_hash(float_graph))
    assert (loaded.parent, loaded.graph) == (parent.sha256, graph_hash(float_graph))
    assert len(loaded.weights) == 39
    assert len(loaded.floats) == 39
    assert len(loaded.sites) == 52
    for name, weight in loaded.weights.items():
        assert weight.codes.dtype == np.int8
        assert (np.abs(weight.codes).max(axis=(1, 2, 3)) == 127).all(), name
    relu = loaded.sites["/encoder/level1/level1.0/Relu_output_0"]
    assert (relu.zero_point, relu.lowest, relu.highest) == (0, 0, 127)
    assert (loaded.sites[STEM].lowest, loaded.sites[STEM].highest) == (-127, 127)
    card = loaded.card
    assert card["name"] == "nano-int8"
    assert card["quantization"]["parent"]["name"] == "nano"
    assert card["validation"]["psnr"][2] > card["validation"]["psnr"][0]
    assert card["licence"] == "CC0-1.0"

    data = trained.run.trainer.materials.validation
    ours, again = outputs_of(trained.network, data), outputs_of(restored(float_graph, loaded), data)
    codes = np.abs(ours - again) * 255.0
    assert (codes < 0.5).mean() > 0.999
    assert codes.max() < 3.0


def test_any_zero_is_written_as_signed_codes(float_graph, tmp_path):
    from ensharpen_edge.calibration.qat.initial_ranges import set_initial_ranges
    from ensharpen_edge.calibration.qat.placement import PLACEMENTS

    network = QuantizedGraph(float_graph, PLACEMENTS["everything asymmetric"]).eval()
    image = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    set_initial_ranges(network, [image])
    with torch.no_grad():
        for parameter in network.step_parameters():
            parameter.add_(1e-3)
    about = {"placement": "everything asymmetric", "parent": {"sha256": "p"}, "graph": "g"}
    path = tmp_path / "nano-int8.safetensors"
    save_quantized(network, path, {"quantization": about})
    loaded = load_quantized(path)
    for tensor, codes in loaded.sites.items():
        assert (codes.lowest, codes.highest) == (-128, 127), tensor
    relu = loaded.sites["/encoder/level1/level1.0/Relu_output_0"]
    assert relu.zero_point == -128
    assert -128 < loaded.sites[STEM].zero_point < 127
    with torch.no_grad():
        assert ((network(image) - restored(float_graph, loaded)(image)).abs() < 1e-3).float().mean() > 0.999


def test_another_parent_or_graph_is_refused(trained):
    with pytest.raises(IntegrityError, match="another float checkpoint"):
        load_quantized(trained.path, parent="0" * 64)
    with pytest.raises(IntegrityError, match="another float graph"):
        load_quantized(trained.path, graph="0" * 64)


def test_altered_files_are_refused(trained, tmp_path, altered):
    path = tmp_path / trained.path.name
    with pytest.raises(IntegrityError, match="no such checkpoint"):
        load_quantized(path)
    content = bytearray(trained.path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="no readable card"):
        load_quantized(path)
    path.with_suffix(".json").write_text(trained.path.with_suffix(".json").read_text())
    with pytest.raises(IntegrityError, match="differs from the sha256"):
        load_quantized(path)
    with pytest.raises(IntegrityError, match="no readable card"):
        load_quantized(altered(card_change=lambda card: card["quantization"].update(placement="nowhere")))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("encoder.stem.weight:steps", np.nan, "encoder.stem.weight:steps holds NaN"),
        ("encoder.stem.bias", np.inf, "encoder.stem.bias holds NaN or Inf"),
        (f"{STEM}:step", 0.0, f"{STEM}:step is zero"),
        ("encoder.stem.weight:steps", -1.0, "is zero or negative"),
    ],
)
def test_numbers_that_cannot_be_are_refused(altered, name, value, message):
    with pytest.raises(BadInputError, match=message):
        load_quantized(altered(lambda arrays: arrays[name].__setitem__(0, value)))


def test_steps_that_never_moved_are_refused(trained, altered, tmp_path):
    def freeze(arrays):
        arrays[f"{STEM}:step"] = arrays[f"{STEM}:first_step"]

    with pytest.raises(BadInputError, match=rf"1 of 52 steps .* {STEM}: they were never trained"):
        load_quantized(altered(freeze))
    trainer = trained.run.trainer
    untrained = QuantizedGraph(trainer._model, trainer.config.places)
    with pytest.raises(BadInputError, match="52 of 52 steps"):
        save_quantized(untrained, tmp_path / "x.safetensors", {})
    assert not (tmp_path / "x.safetensors").exists()


def test_missing_and_odd_parts_are_refused(altered, float_graph):
    with pytest.raises(IntegrityError, match="is no quantized checkpoint"):
        load_quantized(altered(lambda arrays: arrays.pop("encoder.stem.weight:steps")))
    wide = np.array([0, -300, 127], dtype=np.int32)
    with pytest.raises(IntegrityError, match="codes -300 to 127"):
        load_quantized(altered(lambda arrays: arrays.update({f"{STEM}:codes": wide})))
    without = load_quantized(altered(lambda arrays: arrays.pop("encoder.stem.bias")))
    with pytest.raises(IntegrityError, match=r"does not fit the graph, which differs in encoder\.stem\.bias"):
        restored(float_graph, without)
