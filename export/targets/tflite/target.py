"""TFLite: NHWC, single-operator shuffles, float or integer, for LiteRT and its delegates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from ensharpen_edge import __version__
from ensharpen_edge.artifact_manifest import FLOAT_DTYPE, FileTraits, IoContract
from ensharpen_edge.calibration.layers import Layer
from ensharpen_edge.calibration.quantizer import GraphQuantizer
from ensharpen_edge.errors import UsageError, require
from ensharpen_edge.export.descriptions import describe_task
from ensharpen_edge.export.feeding import CONTRACT, Feeding, FileSizes
from ensharpen_edge.export.graph.onnx_graph import INPUT, OUTPUT, verified_graph
from ensharpen_edge.export.precision import Precision
from ensharpen_edge.export.proof.trained import TrainedProof
from ensharpen_edge.export.quantization_stage import quantization_facts, quantize_job
from ensharpen_edge.export.targets.base import Build, BuildJob, Target
from ensharpen_edge.export.targets.options import Size, TargetOptions
from ensharpen_edge.export.targets.tflite.coded_tensors import coded_tensors
from ensharpen_edge.export.targets.tflite.codes import PIXELS, activation_codes
from ensharpen_edge.export.targets.tflite.convert import to_tflite
from ensharpen_edge.export.targets.tflite.delegates.report import delegate_reports, require_delegate
from ensharpen_edge.export.targets.tflite.lowerings import LOWERINGS
from ensharpen_edge.export.targets.tflite.metadata import (
    MINIMUM_RUNTIME,
    TFLITE_METADATA,
    Description,
    append_files,
    pack_metadata,
)
from ensharpen_edge.export.targets.tflite.minimum_runtime import minimum_runtime
from ensharpen_edge.export.targets.tflite.operators import ModelOperators, read_operators
from ensharpen_edge.export.targets.tflite.options import OPTIONS, TfliteOptions
from ensharpen_edge.export.targets.tflite.writer import Conversion, IntegerLayers
from ensharpen_edge.export.tool_versions import tool_versions
from ensharpen_edge.export.trained import Trained

MODEL_FILE = "model.tflite"
AUTHOR = "EnSharpen Edge"
_RUNTIME_BYTES = 16
FIRST_SIZE = (256, 256)
"""(height, width) that a file for free sizes opens with, in pixels."""

_FLOAT_STORES = {32: "float32", 16: "float16", 8: "int8"}
"""Stores (see `weights.STORES`) of layers that compute in floats, by bits of a weight."""


class TfliteTarget:
    """Exports for LiteRT: Android, iOS, microcontrollers' bigger siblings, and its GPU and NPU delegates."""

    name = "tflite"
    precisions: tuple[str, ...] = ("fp32", "fp16", "int8", "int16x8", "int8-weights", "int8-dynamic")
    schemes: Mapping[str, tuple[str, ...]] = MappingProxyType({"int8": ("tflite",), "int16x8": ("tflite int16",)})
    takes_trained = True
    image_dtypes: Mapping[str, tuple[str, ...]] = MappingProxyType({"int8": ("int8", "uint8", FLOAT_DTYPE)})
    options: type[TargetOptions] = OPTIONS
    default_size: Size | None = None
    grid = 1

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
        network, precision = job.network, job.precision
        simplified, rungs = verified_graph(network, None if precision.calibrated else job.size)
        _check_operators(simplified, network.name)
        conversion = Conversion(simplified, job.size or FIRST_SIZE, job.size is None, job.title, _store(precision))
        quantized = None
        if precision.calibrated:
            quantized = quantize_job(job, simplified)
            rungs += quantized.rungs
            images = PIXELS.get(job.image_dtype)
            model, integers = integer_layers(quantized.quantizer, quantized.layers)
            conversion = replace(conversion, model=model, integers=integers, images=images)
        content, operators = _finished(conversion, job)
        delegate = job.options_of(TfliteOptions).require_delegate
        if delegate is not None:
            require_delegate(operators, delegate)
        (job.folder / MODEL_FILE).write_bytes(content)
        proof = (
            TrainedProof(quantized.reference, coded_tensors(job.folder / MODEL_FILE))
            if isinstance(quantized, Trained)
            else None
        )
        tools = tool_versions("onnx", "onnxsim", "ai-edge-litert")
        return Build(
            MODEL_FILE,
            FileTraits("tflite", network.geometry.total_stride),
            _io(job),
            tuple(rungs),
            tools,
            *quantization_facts(quantized),
            graph={
                "operators": operators.counts,
                "minimum_runtime": minimum_runtime(operators.operators),
                "delegates": {report.delegate.name: report.to_dict() for report in delegate_reports(operators)},
            },
            trained=proof,
            tileable=not precision.dynamic,
        )


def _store(precision: Precision) -> str:
    """The way that float layers store their weights, a name in `weights.STORES`."""
    if precision.dynamic:
        return "hybrid"
    return _FLOAT_STORES[16 if precision.calibrated else precision.weight_bits]


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
    network, licence = job.network, job.network.facts.licence
    sizes = FileSizes(job.sizes, multiple_of=network.geometry.total_stride)
    # Ranges of the moment are those of a window.
    feeding = Feeding(_io(job), sizes, tile_exact=not job.precision.dynamic)
    return Description(
        name=job.title,
        description=describe_task(network.task),
        author=AUTHOR,
        licence=licence,
        version=__version__,
        inputs=((INPUT, feeding.input_text),),
        outputs=((OUTPUT, feeding.output_text),),
        files={CONTRACT: feeding.contract(network), "licence.txt": licence + "\n"},
    )


def _io(job: BuildJob) -> IoContract:
    return IoContract(INPUT, OUTPUT, layout="NHWC", dtype=job.image_dtype, enlarges=job.network.enlarges)


def integer_layers(quantizer: GraphQuantizer, layers: Sequence[Layer]) -> tuple[Any, IntegerLayers]:
    """Return the quantizer's graph with rounded weights (onnx.ModelProto), and what of it is computed in codes."""
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


TARGET: Target = TfliteTarget()
