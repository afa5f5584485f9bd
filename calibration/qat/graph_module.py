"""A float ONNX graph as a torch module, so that what ships is trained: folded, equalised, in the export's order.

Only operators that compute on codes as they do on numbers are known. Every other one is refused by its name, before any
time is spent on training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ensharpen_edge.calibration.layers import attributes
from ensharpen_edge.errors import BadInputError, UsageError

CONV, RELU, ADD, CLIP = "Conv", "Relu", "Add", "Clip"
SPACE_TO_DEPTH, DEPTH_TO_SPACE = "SpaceToDepth", "DepthToSpace"
OPERATORS = (CONV, RELU, ADD, CLIP, SPACE_TO_DEPTH, DEPTH_TO_SPACE)
"""All that a graph may consist of, constants apart."""

SHUFFLES = (SPACE_TO_DEPTH, DEPTH_TO_SPACE)
"""Operators that move numbers and change none."""

_WEIGHT_SUFFIX = ".weight"

Watch = Callable[[str, Tensor], None]


@dataclass(frozen=True)
class Operation:
    """One node.

    Attributes:
        kind: One of `OPERATORS`.
        inputs: Activations that it reads.
        output: What it writes.
        weight, bias: Initializers of a convolution; the bias may be missing.
        stride, padding, dilation: Geometry of a convolution, rows and columns.
        groups: Groups of a convolution.
        block: Side of a shuffle's blocks.
    """

    kind: str
    inputs: tuple[str, ...]
    output: str
    weight: str | None = None
    bias: str | None = None
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    block: int = 1

    @property
    def layer(self) -> str:
        """Dotted path of a convolution, as training named it."""
        return (self.weight or self.output).removesuffix(_WEIGHT_SUFFIX)


@dataclass(frozen=True)
class Network:
    """The operations of a graph in their order, without numbers.

    Attributes:
        operations: In an order in which they can be computed.
        image: Name of the input, float (N, 3, H, W) in [0, 1].
        sharp: Name of the output.
    """

    operations: tuple[Operation, ...]
    image: str
    sharp: str

    @property
    def convolutions(self) -> tuple[Operation, ...]:
        """Those with weights."""
        return tuple(operation for operation in self.operations if operation.kind == CONV)

    def readers(self, name: str) -> list[Operation]:
        """Operations that read a tensor."""
        return [operation for operation in self.operations if name in operation.inputs]

    def source(self, name: str) -> str:
        """The tensor that holds the same numbers before they were moved by shuffles, or clipped at the graph's end."""
        writers = {operation.output: operation for operation in self.operations}
        while name in writers and writers[name].kind in (*SHUFFLES, CLIP):
            name = writers[name].inputs[0]
        return name


def read_network(model: Any) -> Network:  # noqa: ANN401 (onnx.ModelProto)
    """The operations of a float graph.

    Args:
        model: One image in, one out; of `OPERATORS` only.

    Raises:
        UsageError: Another operator, or one with options that cannot be computed on codes; names the node.
    """
    graph = model.graph
    if len(graph.input) != 1 or len(graph.output) != 1:
        raise UsageError(
            f"training in 8 bits is for networks with one image in and one out, this one has {len(graph.input)} and "
            f"{len(graph.output)}"
        )
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = attributes(node).get("value")
    operations = tuple(_operation(node, constants) for node in graph.node if node.op_type != "Constant")
    return Network(operations, graph.input[0].name, graph.output[0].name)


def _operation(node: Any, constants: dict[str, Any]) -> Operation:  # noqa: ANN401
    if node.op_type not in OPERATORS:
        raise UsageError(
            f"the operator {node.op_type} ({node.name}) cannot be trained in 8 bits",
            hint=f"known: {', '.join(OPERATORS)}; export this network in fp16",
        )
    options = attributes(node)
    activations = tuple(name for name in node.input if name and name not in constants)
    if node.op_type == CONV:
        return _convolution(node, options, activations, constants)
    if node.op_type == CLIP:
        _check_clip(node, constants)
    if len(activations) != (2 if node.op_type == ADD else 1):
        raise UsageError(f"{node.op_type} ({node.name}) reads constants, which cannot be trained in 8 bits")
    if node.op_type == DEPTH_TO_SPACE and options.get("mode", b"DCR") != b"DCR":
        raise UsageError(f"DepthToSpace ({node.name}) is in CRD order, which no int8 runtime has; it must be DCR")
    return Operation(node.op_type, activations, node.output[0], block=int(options.get("blocksize", 1)))


def _convolution(
    node: Any,  # noqa: ANN401
    options: dict[str, Any],
    activations: tuple[str, ...],
    constants: dict[str, Any],
) -> Operation:
    pads = [int(side) for side in options.get("pads", (0, 0, 0, 0))]
    if options.get("auto_pad", b"NOTSET") != b"NOTSET" or len(pads) != 4 or pads[:2] != pads[2:]:
        raise UsageError(f"Conv ({node.name}) pads its sides unequally, or by itself; give equal pads")
    if len(activations) != 1 or node.input[1] not in constants:
        raise UsageError(f"Conv ({node.name}) has weights that are computed, which cannot be trained in 8 bits")
    rows, columns = options.get("strides", (1, 1))
    tall, wide = options.get("dilations", (1, 1))
    return Operation(
        CONV,
        activations,
        node.output[0],
        node.input[1],
        node.input[2] if len(node.input) > 2 else None,
        (int(rows), int(columns)),
        (pads[0], pads[1]),
        (int(tall), int(wide)),
        int(options.get("group", 1)),
    )


def _check_clip(node: Any, constants: dict[str, Any]) -> None:  # noqa: ANN401
    from onnx import numpy_helper

    bounds = [float(numpy_helper.to_array(constants[name])) for name in node.input[1:] if name in constants]
    if bounds != [0.0, 1.0]:
        raise UsageError(f"Clip ({node.name}) must clip an image to 0 and 1, got {bounds}")


class GraphModule(nn.Module):
    """Computes what a float ONNX graph computes. In training mode the output is not clipped, so that gradients reach
    saturated pixels.

    Input: float (N, 3, H, W) in [0, 1]; output: float (N, 3, sH, sW). Parameters are the graph's initializers.

    Args:
        model: onnx.ModelProto; see `read_network`.

    Raises:
        UsageError: See `read_network`.
        BadInputError: A weight is NaN or infinite.
    """

    def __init__(self, model: Any) -> None:  # noqa: ANN401
        super().__init__()
        from onnx import numpy_helper

        self.network = read_network(model)
        used = {name for operation in self.network.convolutions for name in (operation.weight, operation.bias) if name}
        self.tensors = nn.ParameterDict()
        for tensor in model.graph.initializer:
            if tensor.name in used:
                values = np.array(numpy_helper.to_array(tensor), dtype=np.float32)
                if not np.isfinite(values).all():
                    raise BadInputError(f"the weight {tensor.name!r} holds NaN or Inf", hint="train or fetch it again")
                self.tensors[parameter_key(tensor.name)] = nn.Parameter(torch.from_numpy(values))
        self._last_reads = _last_reads(self.network)

    def tensor(self, name: str) -> nn.Parameter:
        """An initializer by its name in the graph."""
        found = self.tensors[parameter_key(name)]
        assert isinstance(found, nn.Parameter)
        return found

    def weight(self, operation: Operation) -> Tensor:
        """The weights that a convolution multiplies by, (O, I / groups, rows, columns)."""
        assert operation.weight is not None
        return self.tensor(operation.weight)

    def forward(self, image: Tensor, watch: Watch | None = None) -> Tensor:
        """The output.

        Args:
            image: Input.
            watch: Called with every tensor, named as in the graph, the input first.
        """
        values = {self.network.image: self.entered(image)}
        if watch is not None:
            watch(self.network.image, values[self.network.image])
        for operation, finished in zip(self.network.operations, self._last_reads, strict=True):
            value = self.computed(operation, [values[name] for name in operation.inputs])
            if watch is not None:
                watch(operation.output, value)
            values[operation.output] = value
            for name in finished:
                del values[name]
        return values[self.network.sharp]

    def entered(self, image: Tensor) -> Tensor:
        """The input as the graph reads it."""
        return image

    def computed(self, operation: Operation, inputs: list[Tensor]) -> Tensor:
        """Return the tensor that one operation writes."""
        value = inputs[0]
        if operation.kind == CONV:
            bias = self.tensor(operation.bias) if operation.bias else None
            return F.conv2d(
                value,
                self.weight(operation),
                bias,
                operation.stride,
                operation.padding,
                operation.dilation,
                operation.groups,
            )
        if operation.kind == RELU:
            return F.relu(value)
        if operation.kind == ADD:
            return value + inputs[1]
        if operation.kind == CLIP:
            return value if self.training else value.clamp(0.0, 1.0)
        shuffle = space_to_depth if operation.kind == SPACE_TO_DEPTH else depth_to_space
        return shuffle(value, operation.block)


def parameter_key(name: str) -> str:
    """A graph's name as torch lets a parameter be called: without dots."""
    return name.replace("%", "%25").replace(".", "%2E")


def space_to_depth(image: Tensor, block: int) -> Tensor:
    """(N, C, H, W) -> (N, block^2 C, H / block, W / block), the position in a block outermost in the channels (DCR)."""
    n, c, h, w = image.shape
    blocks = image.reshape(n, c, h // block, block, w // block, block).permute(0, 3, 5, 1, 2, 4)
    return blocks.reshape(n, c * block * block, h // block, w // block)


def depth_to_space(blocks: Tensor, block: int) -> Tensor:
    """The inverse of `space_to_depth`."""
    n, c, h, w = blocks.shape
    depth = c // (block * block)
    image = blocks.reshape(n, block, block, depth, h, w).permute(0, 3, 4, 1, 5, 2)
    return image.reshape(n, depth, h * block, w * block)


def _last_reads(network: Network) -> list[list[str]]:
    """For each operation, the tensors that nobody reads after it."""
    last = {name: index for index, operation in enumerate(network.operations) for name in operation.inputs}
    return [
        [name for name, position in last.items() if position == index and name != network.sharp]
        for index in range(len(network.operations))
    ]
