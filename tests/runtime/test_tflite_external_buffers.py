"""A TFLite file that keeps weights in other files is refused, whatever LiteRT would make of it."""

from __future__ import annotations

import numpy as np
import pytest

from ensharpen_edge.artifact import Artifact, seal
from ensharpen_edge.artifact_manifest import FileTraits, IoContract, Manifest, ShapeContract
from ensharpen_edge.errors import IntegrityError
from ensharpen_edge.runtime.engines.registry import open_engine
from ensharpen_edge.runtime.tflite_external_buffers import has_external_buffers


def model(groups: bool = False, buffers: bool = False, empty: bool = False) -> bytes:
    """image + 0.5, whose 0.5 lies in the file or in `w.bin`."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools.flatbuffer_utils import convert_object_to_bytearray

    made = schema.ModelT()
    made.version, made.buffers = 3, [schema.BufferT(), schema.BufferT()]
    made.buffers[1].data = np.frombuffer(np.full(3, 0.5, np.float32).tobytes(), np.uint8)
    graph = schema.SubGraphT()
    graph.tensors = []
    for name, shape, buffer in ((b"image", [1, 8, 8, 3], 0), (b"w", [3], 1), (b"sharp", [1, 8, 8, 3], 0)):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = name, np.array(shape, np.int32), buffer
        tensor.type = schema.TensorType.FLOAT32
        graph.tensors.append(tensor)
    operator = schema.OperatorT()
    operator.inputs, operator.outputs = np.array([0, 1], np.int32), np.array([2], np.int32)
    operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.AddOptions, schema.AddOptionsT()
    graph.operators, graph.inputs, graph.outputs = [operator], np.array([0], np.int32), np.array([2], np.int32)
    code = schema.OperatorCodeT()
    code.builtinCode, code.version = schema.BuiltinOperator.ADD, 1
    made.subgraphs, made.operatorCodes = [graph], [code]
    if groups or empty:
        made.externalBufferGroups = []
    if groups:
        group = schema.ExternalBufferGroupT()
        group.name = b"w.bin"
        made.externalBufferGroups.append(group)
    if buffers:
        part = schema.ExternalBufferT()
        part.id, part.length = 1, 12
        made.externalBuffers = [part]
        graph.tensors[1].buffer, graph.tensors[1].externalBuffer = 0, 1
    return bytes(convert_object_to_bytearray(made))


def sealed(folder, content: bytes) -> Artifact:
    (folder / "model.tflite").write_bytes(content)
    io, shape = IoContract("image", "sharp", "NHWC"), ShapeContract(8, 8, 8, 0, 0)
    seal(folder, Manifest("m", "tflite", "fp32", "sharpen", "model.tflite", FileTraits("tflite"), io, shape, {}))
    return Artifact.open(folder)


def test_a_file_that_is_whole_runs(tmp_path):
    for content in (model(), model(empty=True)):
        assert not has_external_buffers(content)
        with open_engine(sealed(tmp_path, content)) as engine:
            output = engine.run(np.ones((1, 8, 8, 3), np.float32))
            assert engine.device == "cpu"
        assert np.array_equal(output, np.full((1, 8, 8, 3), 1.5, np.float32))


@pytest.mark.parametrize("parts", [{"groups": True}, {"buffers": True}, {"groups": True, "buffers": True}], ids=str)
def test_weights_in_other_files_are_refused(tmp_path, parts):
    content = model(**parts)
    assert has_external_buffers(content)
    with pytest.raises(IntegrityError, match="in other files"):
        open_engine(sealed(tmp_path, content))


def test_cut_files_are_refused_or_whole(tmp_path):
    content = model(groups=True, buffers=True)
    for size in (0, 3, 4, 7, 20):
        with pytest.raises(IntegrityError, match="not a TFLite file"):
            open_engine(sealed(tmp_path, content[:size]))
    with pytest.raises(ValueError, match="no list of offsets"):
        has_external_buffers(b"\x04\x00\x00\x00\xff\xff\xff\x7f")
    with pytest.raises(ValueError, match="cut"):
        has_external_buffers(b"\xff" * 64)
