"""Networks with options through the whole pipeline: their artifacts tile exactly, or say that they cannot."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import onnx
import pytest
import torch
from PIL import Image

from ensharpen_edge.export.pipeline import export_model
from ensharpen_edge.export.request import ExportRequest
from ensharpen_edge.models.checkpoint import find_checkpoint, save_checkpoint
from ensharpen_edge.models.config import NANO
from ensharpen_edge.models.folding import merge_separable
from ensharpen_edge.models.student import Student

pytestmark = pytest.mark.slow


def with_option(folder: Path, **option: object) -> str:
    """The shipped nano with an option grown in: gates nearly open, added branches nearly silent."""
    torch.manual_seed(0)
    student = Student(dataclasses.replace(NANO, name="grown", **option))
    student.load_state_dict(find_checkpoint("nano").network.state_dict(), strict=False)
    with torch.no_grad():
        for name, parameter in student.named_parameters():
            if "gate" in name and "squeeze.2.bias" in name:
                parameter.fill_(4.0)
            if "windows" in name and "project.weight" in name:
                parameter.normal_(std=1e-3)
            if "modulate.weight" in name:
                parameter.normal_(std=1e-2)
    path = folder / "grown.safetensors"
    save_checkpoint(student, path, {})
    return str(path)


@pytest.mark.parametrize(
    ("option", "size", "multiple"),
    [
        ({"attention": "block", "estimator": True}, None, 64),
        ({"windows": 1}, (448, 448), 64),
        ({"attention": "channel"}, None, 8),
    ],
    ids=str,
)
def test_option_artifact(option, size, multiple, tmp_path, command, photo):
    artifact = export_model(ExportRequest(with_option(tmp_path, **option), "onnx", "fp32", tmp_path, size)).artifact
    shape = artifact.manifest.shape
    assert shape.multiple_of == multiple
    assert shape.tile_exact == (option.get("attention") != "channel")
    Image.fromarray(photo).save(tmp_path / "in.png")
    arguments = [artifact.path, tmp_path / "in.png", "-o", tmp_path / "out"]
    assert command("ensharpen-run", *arguments).returncode == 0
    if not shape.tile_exact:
        tiled = command("ensharpen-run", *arguments, "--tile", 128, "-o", tmp_path / "tiled")
        assert tiled.returncode == 2
        assert "--tile off" in tiled.stderr


def test_half_precision_of_an_option(tmp_path):
    option = {"attention": "block", "upsampling": "pixelshuffle"}
    result = export_model(ExportRequest(with_option(tmp_path, **option), "onnx", "fp16", tmp_path, (448, 448)))
    assert result.parity.to_dict()


def test_dense_kernels_are_exported_as_they_are(tmp_path):
    """A GPU that likes dense convolutions may run a network that has no others."""
    save_checkpoint(merge_separable(find_checkpoint("nano").network), tmp_path / "dense.safetensors", {})
    result = export_model(ExportRequest(str(tmp_path / "dense.safetensors"), "onnx", "fp32", tmp_path))
    graph = onnx.load(result.artifact.path / result.artifact.manifest.model_file).graph
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    groups = {next((a.i for a in node.attribute if a.name == "group"), 1) for node in convolutions}
    assert groups == {1}
