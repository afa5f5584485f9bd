"""A teacher's key is that of the weights that answer, wherever they lie."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from ensharpen_edge.data.photos import PhotoSet
from ensharpen_edge.errors import BadInputError
from ensharpen_edge.training.distillation.labels import LabelConfig, label_key
from ensharpen_edge.training.distillation.teacher import OnnxTeacher

IMAGES = torch.zeros(1, 3, 8, 8)


def save(folder: Path, value: float, location: str = "t.onnx.data", place: str = "initializer") -> Path:
    """A model that adds a number, which lies in another file; in a graph's initializer, a node, or a branch of an If.

    The model's own bytes do not depend on the number.
    """
    weight = numpy_helper.from_array(np.full((1, 1, 1, 1), value, np.float32), "w")
    weights = folder / location
    if weights.is_relative_to(folder):
        weights.parent.mkdir(parents=True, exist_ok=True)
        weights.write_bytes(weight.raw_data)
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=location)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3, "h", "w"]) for name in ("image", "sharp")]
    nodes, initializers = [helper.make_node("Add", ["image", "w"], ["sharp"])], [weight]
    if place == "node":
        nodes, initializers = [helper.make_node("Constant", [], ["w"], value=weight), *nodes], []
    if place == "branch":
        true = numpy_helper.from_array(np.array(True), "true")
        end = helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)
        branch = helper.make_graph([helper.make_node("Add", ["image", "w"], ["inner"])], "b", [], [end], [weight])
        nodes = [helper.make_node("If", ["true"], ["sharp"], then_branch=branch, else_branch=branch)]
        initializers = [true]
    graph = helper.make_graph(nodes, "g", [ends[0]], [ends[1]], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "t.onnx").write_bytes(model.SerializeToString())
    return folder / "t.onnx"


def added(teacher: OnnxTeacher) -> float:
    return round(float(teacher(IMAGES).mean()), 6)


@pytest.mark.parametrize("place", ["initializer", "branch"])
def test_other_weights_are_another_teacher(tmp_path, photo, place):
    path = save(tmp_path, 0.25, place=place)
    model = path.read_bytes()
    first = OnnxTeacher(path)
    again = OnnxTeacher(path)
    save(tmp_path, 0.5, place=place)
    assert path.read_bytes() == model, "the model file is the same"
    second = OnnxTeacher(path)
    assert (added(first), added(second)) == (0.25, 0.5)
    assert first.key == again.key != second.key
    photos = PhotoSet(("a",), (photo,))
    assert label_key(first, photos, LabelConfig(None)) != label_key(second, photos, LabelConfig(None))


def test_weights_of_a_node_count_too(tmp_path):
    """Whether ONNX Runtime takes them or not, they are found, and must be there."""
    path = save(tmp_path, 0.25, place="node")
    (tmp_path / "t.onnx.data").unlink()
    with pytest.raises(BadInputError, match=r"'t\.onnx\.data' are missing"):
        OnnxTeacher(path)


def test_a_model_of_one_file_keeps_its_key(tmp_path, artifact):
    path = tmp_path / "whole.onnx"
    onnx.save_model(onnx.load(str(artifact.model_path)), str(path))
    assert OnnxTeacher(path).key == hashlib.sha256(path.read_bytes()).hexdigest()


def test_weights_in_a_folder_of_the_models(tmp_path, monkeypatch):
    """The current folder does not matter, nor does a link that stays inside."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    path = save(tmp_path / "model", 0.25, "parts/w.bin")
    assert added(OnnxTeacher(path)) == 0.25
    key = OnnxTeacher(Path("model/t.onnx")).key
    (tmp_path / "model" / "parts" / "w.bin").rename(tmp_path / "model" / "real.bin")
    (tmp_path / "model" / "parts" / "w.bin").symlink_to("../real.bin")
    assert OnnxTeacher(path).key == key
    (tmp_path / "link").symlink_to(tmp_path / "model")
    assert OnnxTeacher(tmp_path / "link" / "t.onnx").key == key


def test_what_changes_after_it_was_read_is_not_loaded(tmp_path, monkeypatch):
    """The model's file and its weights are replaced in the moment before ONNX Runtime opens them."""
    import onnxruntime

    path = save(tmp_path, 0.25)
    wanted = OnnxTeacher(path).key
    session = onnxruntime.InferenceSession

    def swap(source, *arguments, **options):
        (tmp_path / "t.onnx.data").write_bytes(np.float32(0.75).tobytes())
        path.write_bytes(b"something else")
        return session(source, *arguments, **options)

    monkeypatch.setattr(onnxruntime, "InferenceSession", swap)
    teacher = OnnxTeacher(path)
    assert (added(teacher), teacher.key) == (0.25, wanted)


@pytest.mark.parametrize(
    "location",
    [
        "../w.bin",
        "a/../../w.bin",
        "/etc/hostname",
        "",
        "..",
        ".\\..\\w.bin",
        "C:w.bin",
        "C:/w.bin",
        "*/_ORT_MEM_ADDR_/*",
    ],
)
def test_weights_elsewhere_are_refused(tmp_path, location):
    """Even if they are there."""
    (tmp_path / "w.bin").write_bytes(np.float32(0.25).tobytes())
    (tmp_path / "model" / "a").mkdir(parents=True)
    for name in (".\\..\\w.bin", "C:w.bin"):
        (tmp_path / "model" / name).write_bytes(np.float32(0.25).tobytes())
    path = save(tmp_path / "model", 0.25, "t.onnx.data")
    model = onnx.load(str(path), load_external_data=False)
    model.graph.initializer[0].external_data[0].value = location
    path.write_bytes(model.SerializeToString())
    with pytest.raises(BadInputError, match="not a file in the model's folder"):
        OnnxTeacher(path)


def test_links_out_of_the_folder_are_refused(tmp_path):
    (tmp_path / "model").mkdir()
    path = save(tmp_path / "model", 0.25)
    (tmp_path / "model" / "t.onnx.data").rename(tmp_path / "w.bin")
    (tmp_path / "model" / "t.onnx.data").symlink_to(tmp_path / "w.bin")
    with pytest.raises(BadInputError, match="outside the model's folder"):
        OnnxTeacher(path)
    (tmp_path / "model" / "t.onnx.data").unlink()
    (tmp_path / "model" / "parts").symlink_to(tmp_path)
    path = save(tmp_path / "model", 0.25, "parts/w.bin")
    with pytest.raises(BadInputError, match="outside the model's folder"):
        OnnxTeacher(path)


def test_files_that_are_none_are_refused(tmp_path):
    path = save(tmp_path, 0.25)
    (tmp_path / "t.onnx.data").unlink()
    os.mkfifo(tmp_path / "t.onnx.data")
    with pytest.raises(BadInputError, match="missing"):
        OnnxTeacher(path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(BadInputError, match="can open"):
        OnnxTeacher(path)
    path.write_bytes(b"\x18\x00\x00\x00ORTM" + b"\x00" * 64)
    with pytest.raises(BadInputError, match="own format"):
        OnnxTeacher(path)
