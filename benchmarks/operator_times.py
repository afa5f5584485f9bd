"""Where an engine's time goes, operator by operator."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.benchmarks.litert_operators import litert_operator_times
from ensharpen_edge.benchmarks.subjects import noise_image
from ensharpen_edge.errors import BadInputError, UsageError, require
from ensharpen_edge.runtime.pipeline import to_batch


@dataclass(frozen=True)
class NodeTime:
    """One node of an ONNX graph, as ONNX Runtime ran it.

    Attributes:
        name: Of the node, after ONNX Runtime's own fusions.
        operator: Its type.
        milliseconds: Per run.
        inputs, outputs: Their shapes.
    """

    name: str
    operator: str
    milliseconds: float
    inputs: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]


def operator_times(path: Path, size: tuple[int, int], threads: int, rounds: int) -> dict[str, float]:
    """Milliseconds per run by operator: from ONNX Runtime's profiler, or from LiteRT operator by operator.

    Raises:
        UsageError: An artifact of another target.
        BadInputError: The profiler wrote nothing.
    """
    artifact = Artifact.open(path)
    if artifact.manifest.target == "tflite":
        return litert_operator_times(artifact, size, threads, rounds)
    totals: dict[str, float] = {}
    for node in node_times(artifact, size, threads, rounds):
        totals[node.operator] = totals.get(node.operator, 0.0) + node.milliseconds
    return dict(sorted(totals.items(), key=lambda entry: -entry[1]))


def node_times(artifact: Artifact, size: tuple[int, int], threads: int, rounds: int) -> list[NodeTime]:
    """Every node of an ONNX artifact, in the order they run; medians would need single runs, so these are means.

    Raises:
        UsageError: An artifact of another target.
        BadInputError: The profiler wrote nothing.
    """
    if artifact.manifest.target != "onnx":
        raise UsageError(f"{artifact.path}: nodes are timed in ONNX artifacts only")
    batch = to_batch(noise_image(size), artifact.manifest.io)
    return profile_onnx(artifact.read_model(), {artifact.manifest.io.input_name: batch}, threads, rounds)


def profile_onnx(model: bytes, inputs: dict[str, object], threads: int, rounds: int) -> list[NodeTime]:
    """Nodes of any ONNX graph by ONNX Runtime's profiler.

    Raises:
        BadInputError: The profiler wrote nothing.
    """
    ort = require("onnxruntime", "onnx")
    with tempfile.TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        for _ in range(rounds):
            session.run(None, inputs)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    kernels = [e for e in events if e.get("cat") == "Node" and e["name"].endswith("_kernel_time")]
    if not kernels:
        raise BadInputError("the profiler recorded no operators")
    totals: Counter[str] = Counter()
    shapes: dict[str, tuple[str, tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]] = {}
    for event in kernels:
        name, details = event["name"].removesuffix("_kernel_time"), event["args"]
        totals[name] += event["dur"]
        shapes[name] = (
            details["op_name"],
            _shapes(details.get("input_type_shape", [])),
            _shapes(details.get("output_type_shape", [])),
        )
    return [NodeTime(name, shapes[name][0], totals[name] / 1000 / rounds, *shapes[name][1:]) for name in shapes]


def _shapes(entries: list[dict[str, list[int]]]) -> tuple[tuple[int, ...], ...]:
    """The profiler writes [{"float": [1, 3, 8, 8]}, ...]."""
    return tuple(tuple(sides) for entry in entries for sides in entry.values())
