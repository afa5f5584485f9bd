"""ONNX: opset 17, single-operator shuffles, fp32 or fp16 weights."""

from __future__ import annotations

import io
import platform
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import metadata
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from ensharpen_edge.artifact import IoContract
from ensharpen_edge.calibration.run import FloatGraph, graph_hash, refuse_enlarging
from ensharpen_edge.calibration.session import graph_run, graph_session
from ensharpen_edge.errors import ParityError, UsageError, require
from ensharpen_edge.export.depth_order import to_depth_order
from ensharpen_edge.export.lint import check_exportable, expected_operators
from ensharpen_edge.export.parity import Run, Rung
from ensharpen_edge.export.quantization import Quantized, quantize_graph
from ensharpen_edge.export.request import Build, BuildJob
from ensharpen_edge.models.config import HEAD_SCALES
from ensharpen_edge.models.geometry import geometry
from ensharpen_edge.models.student import Student
from ensharpen_edge.runtime.engine import F32

OPSET = 17
"""Newest opset that every TensorRT since 8.5 parses, INT8 included."""

INPUT, OUTPUT = "image", "sharp"
MODEL_FILE = "model.onnx"
_FORBIDDEN = ("Reshape", "Transpose", "Gather", "Shape", "Resize", "Cast")
_SIMPLIFIED_TOLERANCE = 1e-6


class OnnxTarget:
    """Exports for ONNX Runtime, and the graph that other targets start from."""

    name = "onnx"
    precisions: tuple[str, ...] = ("fp32", "fp16", "int8")
    schemes: Mapping[str, tuple[str, ...]] = MappingProxyType({"int8": ("onnx", "onnx vnni")})
    image_dtypes: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    default_size: tuple[int, int] | None = None

    def check_available(self) -> None:
        """See `Target.check_available`."""
        for module in ("onnx", "onnxsim", "onnxconverter_common", "onnxruntime"):
            require(module, "onnx")

    def build(self, job: BuildJob) -> Build:
        """See `Target.build`.

        Raises:
            ParityError: The graph has another opset or operators than it must, or simplification changed numbers.
        """
        import onnx

        # Photographs are calibrated on in crops, whatever size the finished graph takes.
        size = None if job.precision == "int8" else job.size
        check_exportable(job.student.config, size)
        simplified, rungs = verified_graph(job.student, size)
        final, quantized = simplified, None
        if job.precision == "fp16":
            final = to_half(simplified)
            rungs.append(Rung("fp16 arithmetic", reference_run(final), "fp16"))
        if job.precision == "int8":
            quantized = quantize_job(job, simplified, self.schemes["int8"])
            rungs.append(Rung("equalised", graph_run(quantized.quantizer.model)))
            final = quantized.quantizer.quantized(quantized.layers)
            final = with_size(final, job.size) if job.size else final
        onnx.helper.set_model_props(final, {"title": job.title, "precision": job.precision})
        check_opset(final)
        onnx.checker.check_model(final, full_check=True)
        onnx.save_model(final, str(job.folder / MODEL_FILE))
        tools = {**tool_versions("onnx", "onnxsim", "onnxruntime"), "opset": str(OPSET)}
        io = IoContract(INPUT, OUTPUT)
        return Build(MODEL_FILE, io, tuple(rungs), tools, *quantization_facts(quantized))


def verified_graph(student: Student, size: tuple[int, int] | None) -> tuple[Any, list[Rung]]:
    """The float graph that every target starts from (onnx.ModelProto), and the first rungs of its ladder.

    Raises:
        ParityError: It has other operators than it must, or simplification changed numbers.
    """
    raw = export_graph(student, size)
    simplified = simplify(raw)
    check_graph(simplified, expected_operators(student.config))
    return simplified, [Rung("onnx", graph_run(raw)), Rung("onnxsim", graph_run(simplified))]


def tool_versions(*packages: str) -> dict[str, str]:
    """Python, torch and these packages."""
    versions = {name: metadata.version(name) for name in packages}
    return {"python": platform.python_version(), "torch": str(torch.__version__), **versions}


def quantization_facts(quantized: Quantized | None) -> tuple[dict[str, Any], str | None]:
    """What a `Build` says of its quantization: the description, and the key of the table."""
    if quantized is None:
        return {}, None
    return quantized.describe(), quantized.quantizer.table.provenance.key


def quantize_job(job: BuildJob, graph: Any, schemes: Sequence[str]) -> Quantized:  # noqa: ANN401 (onnx.ModelProto)
    """The quantization stage on a job's float graph; also for other targets that start from it.

    Args:
        job: What is being built.
        graph: Its float graph, for free sizes.
        schemes: That the target can take.

    Raises:
        UsageError: There is nothing to calibrate with, or the scheme is another target's.
    """
    refuse_enlarging(job.student.config.name, HEAD_SCALES[job.student.config.heads[0]])
    if job.quantization is None:
        raise UsageError("int8 needs a calibration", hint="--calib my_photos")
    scheme = job.quantization.wanted.settings.scheme
    if scheme not in schemes:
        raise UsageError(f"the scheme {scheme!r} is for another target", hint=f"known: {', '.join(schemes)}")
    config = job.student.config
    stride = geometry(config).total_stride
    floats = FloatGraph(graph, graph_hash(graph), job.weights, stride, config.name, job.training, config.heads[0])
    return quantize_graph(floats, job.quantization, job.tables / f"{config.name}-calibration", job.step)


def export_graph(student: Student, size: tuple[int, int] | None = None) -> Any:  # noqa: ANN401 (onnx.ModelProto)
    """Trace a folded student into an ONNX graph.

    torch's TorchScript-based exporter is used on purpose: it writes the opset it is asked for, where the newer one
    raises 17 to 18 without failing, and it names nodes by their modules.

    Args:
        student: Folded.
        size: Static (height, width), or None for free height and width.

    Raises:
        ParityError: The result is not of the wanted opset.
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
    """Raises `ParityError` when the graph is not of exactly the wanted opset."""
    versions = {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}
    if versions != {"ai.onnx": OPSET}:
        raise ParityError(f"the graph is of opset {versions}, wanted {OPSET}")


def with_size(model: Any, size: tuple[int, int]) -> Any:  # noqa: ANN401
    """A copy of a graph for free sizes that takes one (height, width) only."""
    import onnx

    fixed = onnx.ModelProto.FromString(model.SerializeToString())
    for value in (*fixed.graph.input, *fixed.graph.output):
        for position, side in zip((2, 3), size, strict=True):
            value.type.tensor_type.shape.dim[position].dim_value = side
    del fixed.graph.value_info[:]
    return onnx.shape_inference.infer_shapes(fixed)


def simplify(model: Any) -> Any:  # noqa: ANN401
    """Simplify with onnxsim, and check on noise that no number changed.

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
    """Every shuffle must be one operator, with no layout or shape arithmetic around it.

    Args:
        model: The graph.
        expected: Operators that the network's options bring.

    Raises:
        ParityError: Names the operators that should not be there.
    """
    operators = Counter(node.op_type for node in model.graph.node)
    stray = {name: operators[name] for name in _FORBIDDEN if operators[name] and name not in expected}
    if stray:
        raise ParityError(f"the graph holds operators that it should not need: {stray}")


def to_half(model: Any) -> Any:  # noqa: ANN401
    """fp16 weights and arithmetic, float32 input and output."""
    import onnx
    from onnxconverter_common import float16

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # one per weight below fp16's smallest normal number
        return float16.convert_float_to_float16(
            onnx.ModelProto.FromString(model.SerializeToString()), keep_io_types=True
        )


def reference_run(model: Any) -> Run:  # noqa: ANN401
    """A function that runs a graph in numpy, every operator rounding to its declared type.

    ONNX Runtime computes fp16 graphs in fp32 on CPUs, so it shows the rounding of the weights only; this shows what
    half-precision arithmetic on a device does.
    """
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(model)

    def run(batch: F32) -> F32:
        (output,) = evaluator.run(None, {INPUT: batch})
        return np.asarray(output, dtype=np.float32)

    return run
