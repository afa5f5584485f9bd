"""A verified model file runs its own hashed bytes, and no weights that lie somewhere else."""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper

from ensharpen_edge.artifact import Artifact, seal
from ensharpen_edge.errors import IntegrityError
from ensharpen_edge.runtime.engines.registry import open_engine
from ensharpen_edge.runtime.jetson_kit import onnx_external_data as module
from ensharpen_edge.runtime.jetson_kit.onnx_external_data import (
    DEEPEST,
    ExternalTensor,
    UnreadableOnnxError,
    external_tensors,
)

WEIGHT = np.full((3, 3, 1, 1), 0.25, dtype=np.float32)


def outside(location: str | None = "w.bin", name: str = "w") -> TensorProto:
    """A tensor whose values are in another file; without a location it only says so."""
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=WEIGHT.shape)
    tensor.data_location = TensorProto.EXTERNAL
    if location is not None:
        tensor.external_data.add(key="location", value=location)
    return tensor


def graph_of(node: onnx.NodeProto, initializers: tuple[TensorProto, ...] = ()) -> onnx.GraphProto:
    value = helper.make_tensor_value_info
    ends = [value(name, TensorProto.FLOAT, [1, 3, "h", "w"]) for name in ("image", "sharp")]
    return helper.make_graph([node], "g", [ends[0]], [ends[1]], list(initializers))


def model_of(graph: onnx.GraphProto) -> onnx.ModelProto:
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def convolution(tensor: TensorProto) -> onnx.ModelProto:
    return model_of(graph_of(helper.make_node("Conv", ["image", "w"], ["sharp"]), (tensor,)))


def hiding_places() -> dict[str, onnx.ModelProto]:
    """A tensor in another file, wherever a model can have a tensor."""
    constant = helper.make_node("Constant", [], ["w"], value=outside())
    inner = helper.make_graph([constant], "inner", [], [])
    branch = helper.make_node("If", ["c"], ["sharp"], then_branch=inner, else_branch=inner)
    sparse = onnx.SparseTensorProto(values=outside(), dims=[9])
    whole = numpy_helper.from_array(WEIGHT, "w")
    places = {
        "initializer": convolution(outside()),
        "constant": model_of(graph_of(constant)),
        "subgraph": model_of(graph_of(branch)),
        "initializer of a subgraph": model_of(
            graph_of(helper.make_node("Loop", [], ["sharp"], body=helper.make_graph([], "b", [], [], [outside()])))
        ),
        "subgraph of a subgraph": model_of(
            graph_of(helper.make_node("If", ["c"], ["sharp"], then_branch=helper.make_graph([branch], "b", [], [])))
        ),
        "tensors": model_of(graph_of(helper.make_node("Custom", [], ["sharp"], values=[whole, outside()]))),
        "graphs": model_of(graph_of(helper.make_node("Custom", [], ["sharp"], bodies=[inner]))),
        "sparse constant": model_of(graph_of(helper.make_node("Constant", [], ["sharp"], sparse_value=sparse))),
        "sparse tensors": model_of(graph_of(helper.make_node("Custom", [], ["sharp"], several=[sparse, sparse]))),
    }
    for field in ("values", "indices"):
        model = convolution(whole)
        getattr(model.graph.sparse_initializer.add(), field).CopyFrom(outside())
        places[f"{field} of a sparse initializer"] = model
    model = convolution(whole)
    model.functions.append(helper.make_function("d", "f", [], ["w"], [constant], [helper.make_opsetid("", 17)]))
    places["function"] = model
    model = convolution(whole)
    function = model.functions.add(name="f", domain="d")
    function.attribute_proto.append(helper.make_attribute("t", outside()))
    places["default of a function's attribute"] = model
    for field in ("initialization", "algorithm"):
        model = convolution(whole)
        getattr(model.training_info.add(), field).initializer.append(outside())
        places[field] = model
    return places


PLACES = hiding_places()


@pytest.mark.parametrize("place", PLACES)
def test_tensors_in_other_files_are_found_wherever_they_are(place):
    found = external_tensors(PLACES[place].SerializeToString())
    assert found
    assert set(found) == {ExternalTensor("w", "w.bin")}


def test_every_way_to_a_tensor_is_followed():
    """The table of fields against the descriptors of the installed onnx: a new place for tensors shows here."""
    names = {
        "ModelProto": module._MODEL,
        "TrainingInfoProto": module._TRAINING,
        "FunctionProto": module._FUNCTION,
        "GraphProto": module._GRAPH,
        "NodeProto": module._NODE,
        "AttributeProto": module._ATTRIBUTE,
        "SparseTensorProto": module._SPARSE,
        "TensorProto": module._TENSOR,
    }
    messages, leading = {}, {"TensorProto"}
    waiting = [onnx.ModelProto.DESCRIPTOR]
    while waiting:
        message = waiting.pop()
        if message.name not in messages:
            messages[message.name] = message
            waiting += [field.message_type for field in message.fields if field.message_type is not None]
    for _ in messages:
        leading |= {
            name
            for name, message in messages.items()
            if any(field.message_type is not None and field.message_type.name in leading for field in message.fields)
        }
    expected = {
        names[name]: {
            field.number: names[field.message_type.name]
            for field in messages[name].fields
            if field.message_type is not None and field.message_type.name in leading
        }
        for name in leading - {"TensorProto"}
    }
    assert expected == module._FOLLOWED
    numbers = {field.name: field.number for field in messages["TensorProto"].fields}
    assert numbers["external_data"] == module._EXTERNAL_DATA
    assert (numbers["name"], numbers["data_location"]) == (module._NAME, module._DATA_LOCATION)


def test_half_an_external_tensor_counts():
    """Readers differ in what makes a tensor external: either sign is enough."""
    assert external_tensors(convolution(outside(None)).SerializeToString()) == (ExternalTensor("w", None),)
    tensor = outside()
    tensor.ClearField("data_location")
    assert external_tensors(convolution(tensor).SerializeToString()) == (ExternalTensor("w", "w.bin"),)


def test_models_that_are_whole_are_whole(artifact):
    assert external_tensors(artifact.read_model()) == ()
    assert external_tensors(convolution(numpy_helper.from_array(WEIGHT, "w")).SerializeToString()) == ()


def field(number: int, wire_type: int, content: bytes) -> bytes:
    tag, encoded = number << 3 | wire_type, b""
    while tag >= 0x80:
        encoded, tag = encoded + bytes([tag & 0x7F | 0x80]), tag >> 7
    return encoded + bytes([tag]) + content


HOSTILE = {
    "a cut tag": b"\x80",
    "a cut length": b"\x3a",
    "a length beyond the end": b"\x3a\x7f\x00",
    "a length of 2**35": b"\x3a\xff\xff\xff\xff\xff\x01",
    "a number of eleven bytes": b"\x08" + b"\xff" * 11,
    "a tag that other readers cut to 32 bits": b"\xba\x80\x80\x80\x10\x00",
    "field 0": b"\x00\x00",
    "a group": field(7, 3, b"") + field(7, 4, b""),
    "wire type 6": field(1, 6, b""),
    "wire type 7": field(1, 7, b""),
    "a graph that is a number": field(7, 0, b"\x01"),
    "a place that is bytes": field(7, 2, b"\x05\x2a\x03" + field(14, 2, b"\x01\x01")),
    "a cut double": field(7, 1, b"1234567"),
    "a cut float": field(1, 5, b"123"),
    "text": b"I am no model",
    "ONNX Runtime's own format": b"\x18\x00\x00\x00ORTM" + b"\x00" * 64,
    # graph { initializer { external_data { key: "location" value: "\xff" } data_location: EXTERNAL } }
    "a path that is no text": b"\x3a\x13\x2a\x11\x6a\x0d\x0a\x08location\x12\x01\xff\x70\x01",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_damage_is_refused(kind):
    with pytest.raises(UnreadableOnnxError):
        external_tensors(HOSTILE[kind])


def test_nesting_is_limited_where_protobuf_limits_it():
    def framed(content: bytes) -> bytes:
        size, encoded = len(content), b""
        while size >= 0x80:
            encoded, size = encoded + bytes([size & 0x7F | 0x80]), size >> 7
        return encoded + bytes([size]) + content

    def model(graphs: int) -> bytes:
        """graph { node { attribute { g { node { ..."""
        graph = b""
        for _ in range(graphs):
            graph = b"\x0a" + framed(b"\x2a" + framed(b"\x32" + framed(graph)))
        return b"\x3a" + framed(graph)

    assert external_tensors(model(DEEPEST // 3 - 2)) == ()
    for graphs in (DEEPEST // 3 + 1, 5_000):
        with pytest.raises(UnreadableOnnxError, match="nested"):
            external_tensors(model(graphs))


def test_fields_are_limited(monkeypatch):
    """Ten million fields of two bytes would take a minute; the limit holds for a model's and a tensor's together."""
    content = PLACES["function"].SerializeToString()
    monkeypatch.setattr(module, "MOST_FIELDS", 100)
    assert external_tensors(content)
    for more in (b"\x08\x08" * 100, field(7, 2, b"\x68" + field(5, 2, b"\x66" + b"\x08\x01" * 51)) * 2):
        with pytest.raises(UnreadableOnnxError, match="more than 100 fields"):
            external_tensors(content + more)


def seen_by_protobuf(message: Any) -> int:
    """How many tensors in other files protobuf's own reader finds in a message."""
    if isinstance(message, TensorProto):
        return int(message.data_location != TensorProto.DEFAULT or bool(message.external_data))
    found = 0
    for descriptor, value in message.ListFields():
        if descriptor.message_type is not None:
            found += sum(map(seen_by_protobuf, [value] if hasattr(value, "ListFields") else value))
    return found


def test_nothing_that_protobuf_finds_in_a_damaged_file_is_missed():
    """Every cut, and thousands of changed bytes: the walk refuses the file, or finds what the real reader finds."""
    chance = random.Random(0)
    outcomes = {"refused": 0, "found": 0, "none": 0}
    for place in ("subgraph of a subgraph", "sparse constant", "function", "initializer"):
        content = PLACES[place].SerializeToString()
        mutants = [content, *(content[:size] for size in range(len(content)))]
        for _ in range(1000):
            mutant = bytearray(content)
            for _ in range(chance.randint(1, 3)):
                mutant[chance.randrange(len(mutant))] = chance.randrange(256)
            mutants.append(bytes(mutant))
        for mutant in mutants:
            try:
                found = len(external_tensors(mutant))
            except UnreadableOnnxError:
                outcomes["refused"] += 1
                continue
            outcomes["found" if found else "none"] += 1
            try:
                model = onnx.ModelProto.FromString(mutant)
            except DecodeError:
                continue
            assert found or not seen_by_protobuf(model), mutant
    assert min(outcomes.values()) > 50, outcomes


@pytest.fixture
def relinked(artifact, tmp_path):
    """Makes a sealed artifact with another model file, beside a current folder that has the weights it asks for."""

    def make(content: bytes, target: str = "onnx") -> Artifact:
        folder = tmp_path / "artifact"
        shutil.copytree(artifact.path, folder)
        (folder / "model.onnx").write_bytes(content)
        seal(folder, dataclasses.replace(artifact.manifest, target=target))
        return Artifact.open(folder)

    return make


def test_weights_in_the_current_folder_are_not_loaded(relinked, tmp_path, monkeypatch):
    """What ONNX Runtime does by itself: a verified artifact, and weights of whoever owns the current folder."""
    import onnxruntime

    content = convolution(outside()).SerializeToString()
    (tmp_path / "w.bin").write_bytes(WEIGHT.tobytes())
    monkeypatch.chdir(tmp_path)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {"image": np.ones((1, 3, 1, 1), np.float32)})
    assert output.max() == 0.75, "the reason for all of this"
    for target in ("onnx", "trt-kit"):
        opened = relinked(content, target)
        with pytest.raises(IntegrityError, match=r"'w' in 'w\.bin'"):
            open_engine(opened)
        shutil.rmtree(opened.path)


@pytest.mark.parametrize("place", PLACES)
def test_no_engine_opens_a_model_that_is_not_whole(relinked, place):
    opened = relinked(PLACES[place].SerializeToString())
    with pytest.raises(IntegrityError, match="in other files"):
        open_engine(opened)


def test_other_readers_of_the_graph_refuse_it_too(relinked):
    from ensharpen_edge.benchmarks.speed.operator_times import node_times
    from ensharpen_edge.calibration.run import FloatGraph

    opened = relinked(PLACES["constant"].SerializeToString())
    with pytest.raises(IntegrityError, match="in other files"):
        FloatGraph.of_artifact(opened)
    with pytest.raises(IntegrityError, match="in other files"):
        node_times(opened, (64, 64), 1, 1)


def test_the_command_ends_with_its_code(command, relinked, photo_folder, tmp_path):
    opened = relinked(PLACES["initializer"].SerializeToString())
    done = command("ensharpen-run", opened.path, photo_folder / "raft.png", "-o", tmp_path / "out")
    assert done.returncode == 8
    assert "in other files" in " ".join(done.stderr.split())
    shutil.rmtree(opened.path)
    opened = relinked(b"\x3a\x7f\x00")
    done = command("ensharpen-run", opened.path, photo_folder / "raft.png", "-o", tmp_path / "out")
    assert done.returncode == 8
    assert "not an ONNX file" in " ".join(done.stderr.split())


def test_the_device_refuses_such_a_kit(artifact, tmp_path):
    """Before TensorRT is asked: its parser would look in the current folder as well."""
    from ensharpen_edge.runtime.jetson_kit.build import BuildOptions, build_first
    from ensharpen_edge.runtime.jetson_kit.faults import INTEGRITY, DeviceError
    from ensharpen_edge.runtime.jetson_kit.graph_choice import attempts
    from ensharpen_edge.runtime.jetson_kit.kit import open_kit

    kit = tmp_path / "kit"
    shutil.copytree(artifact.path, kit)
    (kit / "build.json").write_text(json.dumps({"precision": "fp32"}))
    for name in ("model.onnx", "fp32.onnx"):
        (kit / name).write_bytes(artifact.read_model())
    seal(kit, artifact.manifest)
    open_kit(kit)
    (kit / "fp32.onnx").write_bytes(PLACES["constant"].SerializeToString())
    seal(kit, artifact.manifest)
    with pytest.raises(DeviceError, match=r"fp32\.onnx: keeps tensors in other files") as error:
        open_kit(kit)
    assert error.value.code == INTEGRITY
    options = BuildOptions(((1, 3, 64, 64),) * 3)
    with pytest.raises(DeviceError, match=r"fp32\.onnx: keeps tensors in other files") as error:
        build_first(None, attempts("fp16", (8, 5)), kit, options, print)
    assert error.value.code == INTEGRITY
    assert not Path("w.bin").exists()
