"""The float ONNX graph that every target starts from: opset 17, single-operator shuffles, verified."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from functools import singledispatch
from typing import Any

import numpy as np
import torch

from ensharpen_edge.calibration.session import graph_run, graph_session
from ensharpen_edge.errors import ParityError, UsageError
from ensharpen_edge.export.graph.depth_order import to_depth_order
from ensharpen_edge.export.proof.ladder import Rung
from ensharpen_edge.models.config import HEAD_SCALES
from ensharpen_edge.models.network import Network
from ensharpen_edge.models.student import Student

OPSET = 17
"""Newest opset that every TensorRT since 8.5 parses, INT8 included."""

INPUT, OUTPUT = "image", "sharp"
_FORBIDDEN = ("Reshape", "Transpose", "Gather", "Shape", "Resize", "Cast")
_SIMPLIFIED_TOLERANCE = 1e-6


def verified_graph(network: Network, size: tuple[int, int] | None) -> tuple[Any, list[Rung]]:
    """Return the float graph that every target starts from (onnx.ModelProto), and the first rungs of its ladder.

    Raises:
        ParityError: It has other operators than it must, or simplification changed numbers.
        UsageError: The network is of a kind that no graph is made of.
    """
    raw = export_graph(network.definition, size)
    simplified = simplify(raw)
    check_graph(simplified, network.expected_operators)
    return simplified, [Rung("onnx", graph_run(raw)), Rung("onnxsim", graph_run(simplified))]


@singledispatch
def export_graph(definition: Any, size: tuple[int, int] | None = None) -> Any:  # noqa: ANN401
    """Return the float ONNX graph (onnx.ModelProto) of the object that computes a network.

    A new kind of network registers a function for its type here.

    Args:
        definition: Object that computes it (see `Network.definition`).
        size: Static (height, width), or None for free height and width.

    Raises:
        ParityError: The result is not of the wanted opset.
        UsageError: No graph is made of such an object.
    """
    raise UsageError(f"no ONNX graph is made of a {type(definition).__name__}")


@export_graph.register(Student)
def _student_graph(student: Student, size: tuple[int, int] | None = None) -> Any:  # noqa: ANN401
    """Trace a folded student.

    torch's TorchScript-based exporter is used on purpose: it writes the opset it is asked for, where the newer one
    raises 17 to 18 without failing, and it names nodes by their modules.
    """
    import onnx

    height, width = size or (64, 64)
    heads = student.config.heads
    outputs = [OUTPUT] if len(heads) == 1 else list(heads)
    axes = None if size else {name: {2: "height", 3: "width"} for name in (INPUT, *outputs)}
    if axes and any(HEAD_SCALES[head] != 1 for head in heads):
        axes = {INPUT: axes[INPUT]} | {name: {2: f"{name}_height", 3: f"{name}_width"} for name in outputs}
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        torch.onnx.export(
            to_depth_order(student),
            (torch.zeros(1, 3, height, width),),
            buffer,  # type: ignore[arg-type]
            input_names=[INPUT],
            output_names=outputs,
            opset_version=OPSET,
            dynamic_axes=axes,
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
    check_opset(model)
    return model


def check_opset(model: Any) -> None:  # noqa: ANN401
    """Raise `ParityError` when the graph is not of exactly the wanted opset."""
    versions = {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}
    if versions != {"ai.onnx": OPSET}:
        raise ParityError(f"the graph is of opset {versions}, wanted {OPSET}")


def with_size(model: Any, size: tuple[int, int]) -> Any:  # noqa: ANN401
    """Return a copy of a graph for free sizes that takes one (height, width) only."""
    import onnx

    fixed = onnx.ModelProto.FromString(model.SerializeToString())
    for value in (*fixed.graph.input, *fixed.graph.output):
        for position, side in zip((2, 3), size, strict=True):
            value.type.tensor_type.shape.dim[position].dim_value = side
    del fixed.graph.value_info[:]
    return onnx.shape_inference.infer_shapes(fixed)


def simplify(model: Any) -> Any:  # noqa: ANN401
    """Simplify a graph with onnxsim, and check on noise that no number changed.

    Raises:
        ParityError: onnxsim failed, or the simplified graph computes something else.
    """
    import onnxsim

    simplified, valid = onnxsim.simplify(model)
    if not valid:
        raise ParityError("onnxsim could not confirm its own result")
    shape = [d.dim_value or 64 for d in model.graph.input[0].type.tensor_type.shape.dim]
    noise = np.random.default_rng(0).random(shape, dtype=np.float32)
    before, after = (graph_session(graph).run(None, {INPUT: noise}) for graph in (model, simplified))
    pairs = zip(before, after, strict=True)
    difference = max(float(np.abs(old - new).max()) for old, new in pairs)
    if not difference <= _SIMPLIFIED_TOLERANCE:
        raise ParityError(f"onnxsim changed the output by {difference:.3g}")
    return simplified


def check_graph(model: Any, expected: frozenset[str] = frozenset()) -> None:  # noqa: ANN401
    """Demand that every shuffle is one operator, with no layout or shape arithmetic around it.

    Args:
        model: The graph.
        expected: Operators that the network's options bring (see `Network.expected_operators`).

    Raises:
        ParityError: Names the operators that should not be there.
    """
    operators = Counter(node.op_type for node in model.graph.node)
    stray = {name: operators[name] for name in _FORBIDDEN if operators[name] and name not in expected}
    if stray:
        raise ParityError(f"the graph holds operators that it should not need: {stray}")
