"""Damage on purpose, for the drill that shows the gate ringing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ensharpen_edge.models.network import Network

FAULTS = ("folded", "artifact")
"""Stages that a drill can damage on purpose, to see the gate refuse the result."""


def damage_network(network: Network) -> None:
    """Scale one folded kernel by 1.5, in place: a mistake a wrong folding formula would make."""
    kernels = [
        value
        for name, value in network.definition.state_dict().items()
        if name.endswith(("depthwise.weight", "stem.weight"))
    ]
    kernels[-1].mul_(1.5)


def damage_file(path: Path) -> None:
    """Scale one weight tensor of a written file by 1.5, in place: a mistake a converter would make."""
    {".onnx": _damage_onnx, ".tflite": _damage_tflite, ".json": _damage_package, ".xml": _damage_weights}[path.suffix](
        path
    )


def _damage_onnx(path: Path) -> None:
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(path))
    tensor = max(model.graph.initializer, key=lambda t: len(t.raw_data))
    values = numpy_helper.to_array(tensor)
    tensor.CopyFrom(numpy_helper.from_array((values * 1.5).astype(values.dtype), tensor.name))
    onnx.save_model(model, str(path))


def _damage_tflite(path: Path) -> None:
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools.flatbuffer_utils import convert_object_to_bytearray

    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    types = {getattr(schema.TensorType, name.upper()): np.dtype(name) for name in ("float32", "float16", "int8")}
    constants = [
        (model.buffers[tensor.buffer], types[tensor.type])
        for tensor in model.subgraphs[0].tensors
        if tensor.type in types and model.buffers[tensor.buffer].data is not None
    ]
    buffer, dtype = max(constants, key=lambda pair: len(pair[0].data))
    values = np.frombuffer(bytes(buffer.data), dtype=dtype)
    scaled = np.clip(values * 1.5, -127, 127).astype(dtype)
    buffer.data = np.frombuffer(scaled.tobytes(), dtype=np.uint8)
    path.write_bytes(convert_object_to_bytearray(model))


def _damage_package(manifest: Path) -> None:
    """One weight in the middle of a Core ML package's blob gets another exponent."""
    (blob,) = manifest.parent.rglob("weight.bin")
    _flip(blob)


def _damage_weights(graph: Path) -> None:
    """Change one weight in the middle of the file beside an OpenVINO graph."""
    _flip(graph.with_suffix(".bin"))


def _flip(blob: Path) -> None:
    content = bytearray(blob.read_bytes())
    # The top byte of a float in either precision: its sign and the head of its exponent.
    content[(len(content) // 8) * 4 + 3] ^= 0x40
    blob.write_bytes(content)
