"""Operators of a TFLite file: every one with its version, its kind of numbers and its work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ensharpen_edge.errors import IntegrityError, require

CONSTANT, HYBRID = "constant", "hybrid"


@dataclass(frozen=True)
class Operator:
    """One operator of a file.

    Attributes:
        name: Name in the schema's `BuiltinOperator`.
        version: Version of its kernel.
        kind: Type of the numbers that it reads (`float32`, `int8`, ...), `hybrid` for floats times 8-bit weights, or
            `constant` when it only expands a constant.
        macs: Multiplications and additions at the size that the file opens with.
        rank: Largest rank of its tensors.
    """

    name: str
    version: int
    kind: str
    macs: int
    rank: int


@dataclass(frozen=True)
class ModelOperators:
    """All operators, in order.

    Attributes:
        operators: The operators.
        free: Whether the file may be asked for other sizes.
    """

    operators: tuple[Operator, ...]
    free: bool

    @property
    def counts(self) -> dict[str, int]:
        """Number of times each operator occurs, by name."""
        return dict(sorted(Counter(operator.name for operator in self.operators).items()))


def read_operators(content: bytes) -> ModelOperators:
    """Return the operators of a file.

    Raises:
        MissingToolError: ai-edge-litert is not installed.
        IntegrityError: Not a TFLite file.
    """
    schema = require("ai_edge_litert.schema_py_generated", "tflite")
    try:
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        graph = model.subgraphs[0]
        names = _names(schema.BuiltinOperator)
        types = _names(schema.TensorType)
        found = []
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            reads = [graph.tensors[index] for index in operator.inputs]
            writes = [graph.tensors[index] for index in operator.outputs]
            name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
            constant = [_is_constant(model, tensor) for tensor in reads]
            found.append(
                Operator(
                    name,
                    int(code.version),
                    _kind(name, [types[tensor.type].lower() for tensor in reads], constant),
                    _macs(name, reads, writes),
                    max(len(tensor.shape) for tensor in (*reads, *writes)),
                )
            )
        free = any(-1 in _sides(graph.tensors[index].shapeSignature) for index in graph.inputs)
    except Exception as error:  # flatbuffers reads wherever a damaged offset leads
        raise IntegrityError(f"not a readable TFLite file ({error!r})", hint="export it again") from error
    return ModelOperators(tuple(found), free)


def _names(enumeration: Any) -> dict[int, str]:  # noqa: ANN401 (a class of the generated schema)
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


def _sides(shape: Any) -> list[int]:  # noqa: ANN401 (None, a list or an array)
    return [] if shape is None else [int(side) for side in shape]


def _is_constant(model: Any, tensor: Any) -> bool:  # noqa: ANN401
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def _kind(name: str, types: Sequence[str], constant: Sequence[bool]) -> str:
    if name == "DEQUANTIZE" and constant[0]:
        return CONSTANT
    if name in ("CONV_2D", "DEPTHWISE_CONV_2D") and types[:2] == ["float32", "int8"]:
        return HYBRID
    return types[0]


def _macs(name: str, reads: Sequence[Any], writes: Sequence[Any]) -> int:
    if name not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        return 0
    _, height, width, channels = (int(side) for side in writes[0].shape)
    kernel = [int(side) for side in reads[1].shape]
    inputs = kernel[3] if name == "CONV_2D" else 1
    return height * width * channels * kernel[1] * kernel[2] * inputs
