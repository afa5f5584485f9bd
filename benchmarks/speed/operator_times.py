"""Time of an engine, operator by operator."""

from __future__ import annotations

import json
import math
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.benchmarks.speed.litert_operators import litert_operator_times
from ensharpen_edge.benchmarks.speed.subjects import noise_image, timed_size
from ensharpen_edge.errors import BadInputError, UsageError, require
from ensharpen_edge.processor_cores import usual_threads
from ensharpen_edge.runtime.pipeline import to_batch
from ensharpen_edge.runtime.whole_onnx import read_whole_onnx

_WARM_UP = 2
_BYTES = {"float": 4, "float16": 2, "double": 8, "uint8": 1, "int8": 1, "int32": 4, "int64": 8, "bool": 1}


@dataclass(frozen=True)
class NodeTime:
    """One node of an ONNX graph, as ONNX Runtime ran it.

    Attributes:
        name: Name of the node, after ONNX Runtime's own fusions.
        operator: Type of the node.
        milliseconds: Median of its runs.
        inputs, outputs: Shapes of its tensors.
        moved: Bytes of all of them together.
    """

    name: str
    operator: str
    milliseconds: float
    inputs: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]
    moved: int


def has_operator_times(artifact: Artifact) -> bool:
    """Return whether the artifact's runtime tells what its operators take."""
    return artifact.manifest.traits.format in ("onnx", "tflite") and artifact.manifest.traits.can_be_timed


def operator_times(artifact: Artifact, size: tuple[int, int], threads: int, rounds: int) -> dict[str, float]:
    """Return milliseconds per run by operator: from ONNX Runtime's profiler, or from LiteRT operator by operator.

    Args:
        artifact: Artifact that `has_operator_times`.
        size: (height, width), for artifacts that take any.
        threads: CPU threads; 0 for `OMP_NUM_THREADS`, or all cores.
        rounds: Number of runs.

    Raises:
        UsageError: The artifact's file is of another format.
        BadInputError: The profiler wrote nothing.
    """
    if artifact.manifest.traits.format == "tflite":
        return litert_operator_times(artifact, timed_size(artifact, size), threads or os.cpu_count() or 1, rounds)
    totals: dict[str, float] = {}
    for node in node_times(artifact, size, threads, rounds):
        totals[node.operator] = totals.get(node.operator, 0.0) + node.milliseconds
    return dict(sorted(totals.items(), key=lambda entry: -entry[1]))


def node_times(artifact: Artifact, size: tuple[int, int], threads: int, rounds: int) -> list[NodeTime]:
    """Return every node of an ONNX artifact, in the order they run.

    Raises:
        UsageError: The artifact's file is of another format, or becomes another file on the device.
        BadInputError: The profiler wrote nothing.
    """
    if artifact.manifest.traits.format != "onnx" or not artifact.manifest.traits.can_be_timed:
        raise UsageError(f"{artifact.path}: nodes are timed in ONNX artifacts only")
    batch = to_batch(noise_image(timed_size(artifact, size)), artifact.manifest.io)
    return profile_onnx(read_whole_onnx(artifact), {artifact.manifest.io.input_name: batch}, threads, rounds)


def profile_onnx(model: bytes, inputs: dict[str, Any], threads: int, rounds: int) -> list[NodeTime]:
    """Return the nodes of any ONNX graph by ONNX Runtime's profiler; the first runs do not count.

    Raises:
        BadInputError: The profiler wrote nothing.
    """
    ort = require("onnxruntime", "onnx")
    with tempfile.TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or usual_threads()
        options.log_severity_level = 3
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        for _ in range(_WARM_UP + rounds):
            session.run(None, inputs)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    taken: dict[str, list[float]] = {}
    details: dict[str, dict[str, Any]] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            name = event["name"].removesuffix("_kernel_time")
            taken.setdefault(name, []).append(event["dur"] / 1000)
            details[name] = event["args"]
    if not taken:
        raise BadInputError("the profiler recorded no operators")
    return [_node(name, median(times[_WARM_UP:]), details[name]) for name, times in taken.items()]


def _node(name: str, milliseconds: float, details: dict[str, Any]) -> NodeTime:
    """The profiler writes shapes as [{"float": [1, 3, 8, 8]}, ...]."""
    inputs, outputs = (
        [(kind, tuple(sides)) for entry in details.get(key, []) for kind, sides in entry.items()]
        for key in ("input_type_shape", "output_type_shape")
    )
    moved = sum(_BYTES.get(kind, 4) * math.prod(sides) for kind, sides in (*inputs, *outputs))
    read, written = (tuple(sides for _, sides in entries) for entries in (inputs, outputs))
    return NodeTime(name, details["op_name"], milliseconds, read, written, moved)
