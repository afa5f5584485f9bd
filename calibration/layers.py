"""The units of a quantization plan: convolutions (each with its ReLU) and additions, under the names that training
gave them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ensharpen_edge.errors import BadInputError, unknown_name

HEAD, STEM, TAIL = "head", "stem", "tail"
"""Short names: the last convolution, the first one, and the additions behind the last one."""

_WEIGHT_SUFFIX = ".weight"


@dataclass(frozen=True)
class Layer:
    """A convolution or addition: the smallest part that is quantized or left in float as a whole.

    Attributes:
        name: Dotted path, e.g. `encoder.level1.0.depthwise`.
        nodes: Names of its graph nodes.
        inputs: Activations that it reads.
        output: The tensor that it writes, after its ReLU.
        weight, bias: Initializers of a convolution, None for an addition.
        groups: Number of groups of a convolution, 0 for an addition.
    """

    name: str
    nodes: tuple[str, ...]
    inputs: tuple[str, ...]
    output: str
    weight: str | None = None
    bias: str | None = None
    groups: int = 0

    @property
    def tensors(self) -> tuple[str, ...]:
        """Every activation that is quantized with it."""
        return (*self.inputs, self.output)


def find_layers(model: Any) -> tuple[Layer, ...]:  # noqa: ANN401 (onnx.ModelProto)
    """Return the layers of a graph, in its order.

    Raises:
        BadInputError: The graph has none.
    """
    readers: dict[str, list[Any]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    weights = {tensor.name for tensor in model.graph.initializer}
    layers = []
    for node in model.graph.node:
        if node.op_type not in ("Conv", "Add"):
            continue
        nodes, output = [node.name], node.output[0]
        after = readers.get(output, [])
        if node.op_type == "Conv" and len(after) == 1 and after[0].op_type == "Relu":
            nodes.append(after[0].name)
            output = after[0].output[0]
        inputs = tuple(name for name in node.input if name not in weights)
        if node.op_type == "Add":
            layers.append(Layer(_path(node.name), tuple(nodes), inputs, output))
            continue
        bias = node.input[2] if len(node.input) > 2 else None
        layers.append(
            Layer(
                node.input[1].removesuffix(_WEIGHT_SUFFIX),
                tuple(nodes),
                inputs,
                output,
                node.input[1],
                bias,
                int(attributes(node).get("group", 1)),
            )
        )
    if not any(layer.weight for layer in layers):
        raise BadInputError("the graph has no convolutions, so there is nothing to quantize")
    return tuple(layers)


def attributes(node: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a node's attributes as Python values."""
    from onnx.helper import get_attribute_value

    return {attribute.name: get_attribute_value(attribute) for attribute in node.attribute}


def resolve(names: Iterable[str], layers: Sequence[Layer]) -> frozenset[str]:
    """Return the full names of layers.

    Args:
        names: Full names, the first parts of them (`encoder.level1`), or `stem`, `head`, `tail`.
        layers: All layers of the graph.

    Raises:
        UsageError: Fits no layer; names the nearest.
    """
    convolutions = [index for index, layer in enumerate(layers) if layer.weight]
    short = {
        STEM: [layers[convolutions[0]].name],
        HEAD: [layers[convolutions[-1]].name],
        TAIL: [layer.name for layer in layers[convolutions[-1] + 1 :]],
    }
    found: set[str] = set()
    for name in names:
        fitting = short.get(name) or [
            layer.name for layer in layers if layer.name == name or layer.name.startswith(f"{name}.")
        ]
        if not fitting and name not in short:
            raise unknown_name("layer", name, [*short, *(layer.name for layer in layers)])
        found.update(fitting)
    return frozenset(found)


def _path(node: str) -> str:
    """`/decoder/level1/level1.0/Add` -> `decoder.level1.0.Add`: torch names a scope by its path from its parent."""
    parts: list[str] = []
    for part in node.strip("/").split("/"):
        if parts and part.startswith(f"{parts[-1]}."):
            parts.pop()
        parts.append(part)
    return ".".join(parts)
