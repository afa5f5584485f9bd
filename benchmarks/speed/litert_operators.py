"""Time per operator of a TFLite file: LiteRT has no profiler for Python, so each operator is cut out and run alone."""

from __future__ import annotations

import time
from collections import defaultdict
from statistics import median
from typing import Any

import numpy as np

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.errors import require

_WARM_UP = 2


def litert_operator_times(artifact: Artifact, size: tuple[int, int], threads: int, rounds: int) -> dict[str, float]:
    """Return milliseconds by operator and kind of numbers, the most expensive first.

    Args:
        artifact: Artifact whose file is a TFLite file.
        size: (height, width) of the image.
        threads: CPU threads of the interpreter.
        rounds: Number of runs of each operator; the median counts.

    Raises:
        MissingToolError: ai-edge-litert is not installed.
    """
    schema = require("ai_edge_litert.schema_py_generated", "tflite")
    content = artifact.read_model()
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    shapes = _shapes(content, size)
    expanded = _expansions(model)
    totals: defaultdict[str, float] = defaultdict(float)
    for operator in model.subgraphs[0].operators:
        if operator.outputs[0] in expanded:
            continue  # constants are expanded once, when a file is loaded
        name, seconds = _time_alone(schema, model, operator, expanded, shapes, threads, rounds)
        totals[name] += 1000 * seconds
    return dict(sorted(totals.items(), key=lambda item: -item[1]))


def _shapes(content: bytes, size: tuple[int, int]) -> dict[int, Any]:
    """Return the shape of every tensor at this size."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], (1, *size, 3))
    interpreter.allocate_tensors()
    return {details["index"]: details["shape"] for details in interpreter.get_tensor_details()}


def _expansions(model: Any) -> dict[int, Any]:  # noqa: ANN401 (schema.ModelT)
    """Return operators that expand constants, by the tensor they write."""
    graph = model.subgraphs[0]
    constant = {i for i, tensor in enumerate(graph.tensors) if _content(model, tensor) is not None}
    return {op.outputs[0]: op for op in graph.operators if len(op.inputs) == 1 and op.inputs[0] in constant}


def _content(model: Any, tensor: Any) -> Any:  # noqa: ANN401
    data = model.buffers[tensor.buffer].data
    return data if data is not None and len(data) else None


def _time_alone(
    schema: Any,  # noqa: ANN401
    model: Any,  # noqa: ANN401
    operator: Any,  # noqa: ANN401
    expanded: dict[int, Any],
    shapes: dict[int, Any],
    threads: int,
    rounds: int,
) -> tuple[str, float]:
    """Return name and seconds of an operator in a file of its own."""
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_litert.tools.flatbuffer_utils import convert_object_to_bytearray

    whole = model.subgraphs[0]
    operators = [*(expanded[index] for index in operator.inputs if index in expanded), operator]
    alone = schema.ModelT()
    alone.version, alone.operatorCodes, alone.buffers = model.version, model.operatorCodes, [schema.BufferT()]
    graph = schema.SubGraphT()
    alone.subgraphs, graph.tensors, graph.operators = [graph], [], []
    places: dict[int, int] = {}
    for index in dict.fromkeys(int(i) for op in operators for i in (*op.inputs, *op.outputs)):
        source = whole.tensors[index]
        copied = schema.TensorT()
        copied.name, copied.type, copied.quantization = source.name, source.type, source.quantization
        copied.shape = np.array(shapes[index], dtype=np.int32)
        copied.buffer = 0
        if _content(model, source) is not None:
            copied.buffer = len(alone.buffers)
            alone.buffers.append(model.buffers[source.buffer])
        places[index] = len(graph.tensors)
        graph.tensors.append(copied)
    for op in operators:
        moved = schema.OperatorT()
        moved.opcodeIndex, moved.builtinOptions = op.opcodeIndex, op.builtinOptions
        moved.builtinOptionsType = op.builtinOptionsType
        moved.inputs, moved.outputs = ([places[int(i)] for i in indices] for indices in (op.inputs, op.outputs))
        graph.operators.append(moved)
    written = {int(op.outputs[0]) for op in operators}
    fed = [int(i) for i in operator.inputs if int(i) not in written and _content(model, whole.tensors[int(i)]) is None]
    graph.inputs, graph.outputs = [places[i] for i in dict.fromkeys(fed)], [places[int(operator.outputs[0])]]
    interpreter = Interpreter(model_content=bytes(convert_object_to_bytearray(alone)), num_threads=threads)
    interpreter.allocate_tensors()
    for details in interpreter.get_input_details():
        interpreter.set_tensor(details["index"], _noise(details["shape"], details["dtype"]))
    times = []
    for _ in range(_WARM_UP + rounds):
        start = time.perf_counter()
        interpreter.invoke()
        times.append(time.perf_counter() - start)
    return _label(schema, model, operator), median(times[_WARM_UP:])


def _noise(shape: Any, dtype: Any) -> Any:  # noqa: ANN401 (numpy arrays and types of the interpreter)
    rng = np.random.default_rng(0)
    if np.issubdtype(dtype, np.floating):
        return rng.random(shape, dtype=np.float32)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)


def _label(schema: Any, model: Any, operator: Any) -> str:  # noqa: ANN401
    code = model.operatorCodes[operator.opcodeIndex]
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    types = {value: name.lower() for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
    return f"{names[number]} {types[model.subgraphs[0].tensors[operator.inputs[0]].type]}"
