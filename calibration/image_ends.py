"""Which tensors of a graph are the image itself, only cut into other shapes."""

from __future__ import annotations

from typing import Any

from ensharpen_edge.calibration.initializers import values_of
from ensharpen_edge.calibration.ranges import Range

IMAGE_RANGE = Range(0.0, 1.0)
"""256 codes of 1/255: an 8-bit image keeps every value, and codes that saturate are the final clip."""

_SHUFFLES = ("SpaceToDepth", "DepthToSpace")


def image_tensors(model: Any) -> frozenset[str]:  # noqa: ANN401 (onnx.ModelProto)
    """Return the names of activations that hold pixels: the input's, and those that only the last clip reads.

    Args:
        model: A graph with one input and one output.
    """
    graph = model.graph
    found = {graph.input[0].name}
    for node in graph.node:
        if node.op_type in _SHUFFLES and node.input[0] in found:
            found.add(node.output[0])
    producers = {name: node for node in graph.node for name in node.output}
    readers: dict[str, int] = {}
    for node in graph.node:
        for name in node.input:
            readers[name] = readers.get(name, 0) + 1
    name = graph.output[0].name
    found.add(name)
    while (node := producers.get(name)) is not None and (node.op_type in _SHUFFLES or _clips(node, model)):
        name = node.input[0]
        if readers[name] != 1:
            break
        found.add(name)
    return frozenset(found)


def _clips(node: Any, model: Any) -> bool:  # noqa: ANN401
    """Return whether a node is the clip to [0, 1]."""
    if node.op_type != "Clip" or len(node.input) != 3:
        return False
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    constants |= {n.output[0]: n.attribute[0].t for n in model.graph.node if n.op_type == "Constant"}
    limits = [constants.get(name) for name in node.input[1:]]
    return [float(values_of(limit)) for limit in limits if limit is not None] == [0.0, 1.0]
