"""TFLite: NHWC, single-operator shuffles, float or integer, for LiteRT and its delegates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from ensharpen_edge import __version__
from ensharpen_edge.artifact import FLOAT_DTYPE, IoContract
from ensharpen_edge.calibration.layers import Layer
from ensharpen_edge.calibration.recipe import Quantizer
from ensharpen_edge.calibration.session import graph_run
from ensharpen_edge.errors import UsageError, require
from ensharpen_edge.export.delegates.report import delegate_reports, require_delegate
from ensharpen_edge.export.descriptions import describe_task
from ensharpen_edge.export.feeding import CONTRACT, Feeding, FileSizes, with_task
from ensharpen_edge.export.parity import Rung
from ensharpen_edge.export.quantization import ALL_LAYERS, Quantized
from ensharpen_edge.export.request import Build, BuildJob
from ensharpen_edge.export.targets.onnx import (
    INPUT,
    OUTPUT,
    quantization_facts,
    quantize_job,
    tool_versions,
    verified_graph,
)
from ensharpen_edge.export.tflite.codes import PIXELS, activation_codes
from ensharpen_edge.export.tflite.convert import to_tflite
from ensharpen_edge.export.tflite.lowerings import LOWERINGS
from ensharpen_edge.export.tflite.metadata import (
    MINIMUM_RUNTIME,
    TFLITE_METADATA,
    Description,
    append_files,
    pack_metadata,
)
from ensharpen_edge.export.tflite.minimum_runtime import minimum_runtime
from ensharpen_edge.export.tflite.operators import ModelOperators, read_operators
from ensharpen_edge.export.tflite.writer import Conversion, IntegerLayers

MODEL_FILE = "model.tflite"
AUTHOR = "EnSharpen Edge"
_RUNTIME_BYTES = 16
FIRST_SIZE = (256, 256)
"""That a file for free sizes opens with."""

WEIGHTS = {
    "fp32": "float32",
    "fp16": "float16",
    "int8": "float16",
    "int16x8": "float16",
    "int8-weights": "int8",
    "int8-dynamic": "hybrid",
}
"""How layers that compute in floats store their weights, by precision."""


class TfliteTarget:
    """Exports for LiteRT: Android, iOS, microcontrollers' bigger siblings, and its GPU and NPU delegates."""

    name = "tflite"
    precisions: tuple[str, ...] = tuple(WEIGHTS)
    schemes: Mapping[str, tuple[str, ...]] = MappingProxyType({"int8": ("tflite",), "int16x8": ("tflite int16",)})
    image_dtypes: Mapping[str, tuple[str, ...]] = MappingProxyType({"int8": ("int8", "uint8", FLOAT_DTYPE)})
    default_size: tuple[int, int] | None = None

    def check_available(self) -> None:
        """See `Target.check_available`."""
        for module in ("onnx", "onnxsim", "onnxruntime"):
            require(module, "onnx")
        require("ai_edge_litert", "tflite")

    def build(self, job: BuildJob) -> Build:
        """See `Target.build`.

        Raises:
            UsageError: The network has an operator that this target cannot write.
            ParityError: The ONNX graph that it starts from is not what it should be.
        """
        calibrated = job.precision in self.schemes
        simplified, rungs = verified_graph(job.student, None if calibrated else job.size)
        _check_operators(simplified, job.student.config.name)
        conversion = Conversion(simplified, job.size or FIRST_SIZE, job.size is None, job.title, WEIGHTS[job.precision])
        quantized = None
        if calibrated:
            quantized = _quantize(job, simplified, self.schemes[job.precision])
            rungs.append(Rung("equalised", graph_run(quantized.quantizer.model)))
            images = PIXELS.get(job.image_dtype)
            model, integers = integer_layers(quantized.quantizer, quantized.layers)
            conversion = replace(conversion, model=model, integers=integers, images=images)
        content, operators = _finished(conversion, job)
        if job.require_delegate:
            require_delegate(operators, job.require_delegate)
        (job.folder / MODEL_FILE).write_bytes(content)
        tools = tool_versions("onnx", "onnxsim", "ai-edge-litert")
        return Build(
            MODEL_FILE,
            _io(job),
            tuple(rungs),
            tools,
            *quantization_facts(quantized),
            graph={
                "operators": operators.counts,
                "minimum_runtime": minimum_runtime(operators.operators),
                "delegates": {report.delegate.name: report.to_dict() for report in delegate_reports(operators)},
            },
            tileable=_tileable(job),
        )


def _finished(conversion: Conversion, job: BuildJob) -> tuple[bytes, ModelOperators]:
    """The file with its metadata. It is written twice, because the oldest runtime follows from what is in it."""
    operators = read_operators(to_tflite(conversion))
    description = _describe(job)
    metadata = {
        TFLITE_METADATA: pack_metadata(description),
        MINIMUM_RUNTIME: minimum_runtime(operators.operators).encode().ljust(_RUNTIME_BYTES, b"\0"),
    }
    content = to_tflite(replace(conversion, metadata=metadata))
    return append_files(content, description.files), operators


def _describe(job: BuildJob) -> Description:
    sizes = FileSizes((job.size,) if job.size else (), multiple_of=job.student.config.total_stride)
    feeding = Feeding(with_task(_io(job), job.student.config), sizes, tile_exact=_tileable(job))
    return Description(
        name=job.title,
        description=describe_task(job.student.config.heads[0]),
        author=AUTHOR,
        licence=job.licence,
        version=__version__,
        inputs=((INPUT, feeding.input_text),),
        outputs=((OUTPUT, feeding.output_text),),
        files={CONTRACT: feeding.contract(job), "licence.txt": job.licence + "\n"},
    )


def _io(job: BuildJob) -> IoContract:
    return IoContract(INPUT, OUTPUT, layout="NHWC", dtype=job.image_dtype)


def _tileable(job: BuildJob) -> bool:
    """Ranges of the moment are those of a window."""
    return WEIGHTS[job.precision] != "hybrid"


def _quantize(job: BuildJob, graph: Any, schemes: tuple[str, ...]) -> Quantized:  # noqa: ANN401 (onnx.ModelProto)
    if job.precision == "int16x8" and job.quantization is not None and job.quantization.plan is None:
        # 65,536 codes cost too little to search for layers that need more.
        job = replace(job, quantization=replace(job.quantization, plan=ALL_LAYERS))
    return quantize_job(job, graph, schemes)


def integer_layers(quantizer: Quantizer, layers: Sequence[Layer]) -> tuple[Any, IntegerLayers]:
    """The quantizer's graph with rounded weights (onnx.ModelProto), and what of it is computed in codes."""
    model, steps = quantizer.rounded(layers)
    codes = {name: activation_codes(span, quantizer.scheme.activations) for name, span in quantizer.ranges.items()}
    return model, IntegerLayers(frozenset(node for layer in layers for node in layer.nodes), codes, steps)


def _check_operators(model: Any, name: str) -> None:  # noqa: ANN401
    strange = sorted({node.op_type for node in model.graph.node} - set(LOWERINGS) - {"Constant"})
    if strange:
        raise UsageError(
            f"{name}: needs {', '.join(strange)}, which the TFLite target cannot write",
            hint="train without that option, or export for onnx",
        )
