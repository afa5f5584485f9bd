"""Graphs that TensorRT's parsers refuse, or take and get wrong, found in the graph itself: no TensorRT needed.

The rules were tried against the real parsers; a test feeds each of them to TensorRT-RTX's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ensharpen_edge.errors import ParityError

_INTEGER_OPERATORS = frozenset(
    {"QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger", "DynamicQuantizeLinear"}
)
_CODES = ("QuantizeLinear", "DequantizeLinear")
_DLA_GAPS = frozenset(
    {"DepthToSpace", "SpaceToDepth", "GlobalAveragePool", "ReduceMean", "HardSigmoid", "Pad", *_CODES}
)


@dataclass(frozen=True)
class Finding:
    """One fault.

    Attributes:
        rule: Short name.
        node: Name of the node that has it.
        text: The fault and its reason.
    """

    rule: str
    node: str
    text: str


class _View:
    """A graph with its constants and producers at hand."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 (onnx.ModelProto)
        from onnx import numpy_helper

        self.model, self.nodes = model, list(model.graph.node)
        self.constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        for node in self.nodes:
            if node.op_type == "Constant":
                for attribute in node.attribute:
                    if attribute.name == "value":
                        self.constants[node.output[0]] = numpy_helper.to_array(attribute.t)
        self.producers = {name: node for node in self.nodes for name in node.output}


def _integer_operators(view: _View) -> Iterator[Finding]:
    for node in view.nodes:
        if node.op_type in _INTEGER_OPERATORS:
            yield Finding(
                "operator", node.name, f"{node.op_type} is not parsed; use QuantizeLinear/DequantizeLinear pairs"
            )


def _zero_points(view: _View) -> Iterator[Finding]:
    for node in view.nodes:
        if node.op_type not in _CODES:
            continue
        if len(node.input) < 3 or not node.input[2]:
            yield Finding("zero point", node.name, "left out: ONNX then means uint8, TensorRT reads int8")
            continue
        zero = view.constants.get(node.input[2])
        if zero is None:
            yield Finding("zero point", node.name, "computed at run time; it must be a constant")
        elif zero.dtype == np.uint8:
            yield Finding("zero point", node.name, "uint8 codes: refused, or read as int8 with half the range")
        elif zero.dtype == np.int32:
            yield Finding("bias", node.name, "a dequantized int32 bias is not parsed; leave biases in float")
        elif zero.dtype != np.int8:
            yield Finding("zero point", node.name, f"{zero.dtype} codes are not parsed")
        elif np.any(zero != 0):
            yield Finding("zero point", node.name, "not zero: only symmetric codes are taken")


def _mixed_types(view: _View) -> Iterator[Finding]:
    import onnx

    try:
        inferred = onnx.shape_inference.infer_shapes(view.model, strict_mode=True)
    except Exception as error:  # onnx raises its own unexported classes
        yield Finding("types", "", f"types do not fit together ({str(error).splitlines()[0]})")
        return
    kinds = {
        value.name: value.type.tensor_type.elem_type
        for value in (*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output)
    }
    kinds |= {tensor.name: tensor.data_type for tensor in inferred.graph.initializer}
    for node in view.nodes:
        if node.op_type in ("Add", "Sub", "Mul", "Div", "Concat", "Max", "Min"):
            found = {kinds[name] for name in node.input if name in kinds}
            if len(found) > 1:
                yield Finding("types", node.name, f"{node.op_type} of different types; networks are strongly typed")


def _resizes(view: _View) -> Iterator[Finding]:
    for node in view.nodes:
        attributes = {attribute.name: attribute for attribute in node.attribute}
        if node.op_type == "Resize" and "antialias" in attributes and attributes["antialias"].i:
            yield Finding("operator", node.name, "Resize with antialias is not parsed")
        if node.op_type == "DeformConv":
            yield Finding("operator", node.name, "DeformConv needs a plugin")


Rule = Callable[[_View], Iterator[Finding]]

RULES: tuple[Rule, ...] = (_integer_operators, _zero_points, _mixed_types, _resizes)


def lint_graph(model: Any, largest_opset: int | None = None) -> tuple[Finding, ...]:  # noqa: ANN401
    """Return all findings.

    Args:
        model: onnx.ModelProto.
        largest_opset: Newest opset that the wanted TensorRT reads, None for any.
    """
    view = _View(model)
    findings = [finding for rule in RULES for finding in rule(view)]
    opset = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if largest_opset is not None and opset > largest_opset:
        findings.append(Finding("opset", "", f"opset {opset}, TensorRT 8.x reads up to {largest_opset}"))
    return tuple(findings)


def lint_for_dla(model: Any) -> tuple[Finding, ...]:  # noqa: ANN401
    """Return findings for the deep learning accelerator of Orin: operators that it lacks, sizes that are not fixed."""
    findings = [
        Finding("dla", node.name, f"{node.op_type} runs on the GPU instead")
        for node in model.graph.node
        if node.op_type in _DLA_GAPS
    ]
    shape = model.graph.input[0].type.tensor_type.shape
    if not all(side.dim_value for side in shape.dim):
        findings.append(Finding("dla", model.graph.input[0].name, "sizes must be fixed"))
    return tuple(findings)


def check_lint(name: str, findings: tuple[Finding, ...]) -> None:
    """Raise `ParityError` when there is a finding: such a graph would be refused on the device."""
    if findings:
        first = findings[0]
        raise ParityError(f"{name}: TensorRT would not take it: {first.node} {first.text} ({len(findings)} findings)")
