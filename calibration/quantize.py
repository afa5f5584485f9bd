"""Explicit quantize / dequantize pairs on a float graph, written by ONNX Runtime's quantizer from our ranges."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ensharpen_edge.arrays import F64
from ensharpen_edge.calibration.initializers import values_of
from ensharpen_edge.calibration.layers import Layer
from ensharpen_edge.calibration.ranges import Range
from ensharpen_edge.calibration.rounding import weight_scales
from ensharpen_edge.calibration.schemes import QuantizationScheme
from ensharpen_edge.errors import BadInputError, require


def quantizable(layers: Iterable[Layer], scheme: QuantizationScheme) -> tuple[Layer, ...]:
    """Return the layers that a scheme can quantize at all."""
    return tuple(layer for layer in layers if layer.weight or scheme.additions)


def quantized_reads(layers: Iterable[Layer], scheme: QuantizationScheme) -> dict[str, frozenset[str] | None]:
    """Return the tensors that are read in codes when these layers are quantized.

    Returns:
        By activation the nodes that read its codes; None for all of them, because its producer writes nothing else.
    """
    reads: dict[str, frozenset[str] | None] = {}
    written = {layer.output for layer in layers} if scheme.outputs else set()
    for layer in layers:
        for name in layer.inputs:
            others = reads.get(name, frozenset())
            reads[name] = None if name in written or others is None else others | {layer.nodes[0]}
    return {**reads, **dict.fromkeys(written)}


def quantize(
    model: Any,  # noqa: ANN401 (onnx.ModelProto)
    layers: Sequence[Layer],
    ranges: Mapping[str, Range],
    scheme: QuantizationScheme,
    steps: Mapping[str, F64] | None = None,
) -> Any:  # noqa: ANN401
    """Return a quantized copy of the graph.

    Args:
        model: Float graph.
        layers: The layers to quantize.
        ranges: Range of every activation in `quantized_reads`.
        scheme: The target's scheme.
        steps: (O,) step of each output channel of weights that lie on a grid already, by initializer; others get the
            step that spans them.

    Raises:
        MissingToolError: onnxruntime is not installed.
        BadInputError: A layer came out unquantized.
    """
    onnx = require("onnx", "onnx")
    require("onnxruntime", "onnx")
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    chosen = quantizable(layers, scheme)
    if not chosen:
        return onnx.ModelProto.FromString(model.SerializeToString())
    wide = scheme.activations.bits > 8
    kinds = {(False, False): "QUInt8", (False, True): "QInt8", (True, False): "QUInt16", (True, True): "QInt16"}
    spans = {
        name: TensorData(lowest=np.float32(span.low), highest=np.float32(span.high))
        for name, span in {**ranges, **_inner_ranges(model, chosen, ranges)}.items()
    }
    quantizer = QDQQuantizer(
        onnx.shape_inference.infer_shapes(model),
        True,
        False,
        QuantType.QInt8,
        QuantType[kinds[wide, scheme.signed]],
        TensorsData(CalibrationMethod.MinMax, spans),
        [node for layer in chosen for node in layer.nodes],
        [],
        ["Conv", "Relu", "Add"] if scheme.additions else ["Conv", "Relu"] if scheme.outputs else ["Conv"],
        {
            "ActivationSymmetric": scheme.activations.symmetric,
            "WeightSymmetric": True,
            "QuantizeBias": scheme.integer_bias,
            "DedicatedQDQPair": not scheme.outputs,
            "OpTypesToExcludeOutputQuantization": [] if scheme.outputs else ["Conv"],
            "TensorQuantOverrides": _weight_overrides(model, chosen, scheme, steps or {}),
        },
    )
    with _quiet(logging.getLogger()):
        quantizer.quantize_model()
    quantizer.model.topological_sort()
    result = quantizer.model.model
    _free_float_readers(result, quantized_reads(chosen, scheme))
    _check(result, chosen)
    return result


def _inner_ranges(model: Any, layers: Sequence[Layer], ranges: Mapping[str, Range]) -> dict[str, Range]:  # noqa: ANN401
    """Return ranges of what convolutions write before their ReLU.

    The quantizer asks for them, though the codes after the ReLU hold.
    """
    raw = {node.name: node.output[0] for node in model.graph.node}
    return {raw[layer.nodes[0]]: ranges[layer.output] for layer in layers if len(layer.nodes) > 1}


def _weight_overrides(
    model: Any,  # noqa: ANN401
    layers: Sequence[Layer],
    scheme: QuantizationScheme,
    steps: Mapping[str, F64],
) -> dict[str, list[dict[str, Any]]]:
    from onnxruntime.quantization import QuantType

    values = {tensor.name: tensor for tensor in model.graph.initializer}
    overrides = {}
    for layer in layers:
        if layer.weight:
            scales = steps.get(layer.weight)
            if scales is None:
                scales = weight_scales(values_of(values[layer.weight]), scheme.largest_weight)
            overrides[layer.weight] = [
                {
                    "quant_type": QuantType.QInt8,
                    "axis": 0,
                    "scale": np.array(scale, dtype=np.float32),
                    "zero_point": np.array(0, dtype=np.int8),
                }
                for scale in scales
            ]
    return overrides


def _free_float_readers(model: Any, reads: Mapping[str, frozenset[str] | None]) -> None:  # noqa: ANN401
    """Let nodes that stay float read what their float producers wrote: the quantizer gives its codes to everybody."""
    sources = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    restored = {
        node.output[0]: sources[node.input[0]]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in sources
    }
    for node in model.graph.node:
        for position, name in enumerate(node.input):
            tensor = restored.get(name)
            if tensor is not None:
                readers = reads.get(tensor)
                if readers is not None and node.name not in readers:
                    node.input[position] = tensor


class _quiet:
    """Hold back warnings of a logger: the quantizer warns of each of its own workarounds."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def __enter__(self) -> None:
        self._level = self._logger.level
        self._logger.setLevel(logging.ERROR)

    def __exit__(self, *exc: object) -> None:
        self._logger.setLevel(self._level)


def _check(model: Any, layers: Sequence[Layer]) -> None:  # noqa: ANN401
    """Every layer must read dequantized weights: a quantizer that silently leaves one out would go unnoticed."""
    producer = {name: node.op_type for node in model.graph.node for name in node.output}
    by_name = {node.name: node for node in model.graph.node}
    missing = []
    for layer in layers:
        node = by_name.get(layer.nodes[0])
        position = 1 if layer.weight else 0
        if node is None or producer.get(node.input[position]) != "DequantizeLinear":
            missing.append(layer.name)
    if missing:
        raise BadInputError(f"the quantizer left out {', '.join(missing[:5])}", hint="keep them in float (--keep)")
