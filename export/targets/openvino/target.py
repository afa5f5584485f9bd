"""OpenVINO: intermediate representation (a graph as XML, weights beside it), fp32, fp16 weights, or int8 by plan."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ensharpen_edge.artifact_manifest import FileTraits, IoContract
from ensharpen_edge.calibration.session import graph_run
from ensharpen_edge.errors import require
from ensharpen_edge.export.graph.lint import check_exportable
from ensharpen_edge.export.graph.onnx_graph import INPUT, OUTPUT, verified_graph, with_size
from ensharpen_edge.export.proof.ladder import Rung
from ensharpen_edge.export.quantization_stage import quantization_facts, quantize_job
from ensharpen_edge.export.targets.base import Build, BuildJob, Target
from ensharpen_edge.export.targets.openvino.options import OPTIONS
from ensharpen_edge.export.targets.options import Size, TargetOptions
from ensharpen_edge.export.tool_versions import tool_versions

MODEL_FILE = "model.xml"


class OpenVinoTarget:
    """Exports for OpenVINO. The integers of int8 are those of the ONNX target."""

    name = "openvino"
    precisions: tuple[str, ...] = ("fp32", "fp16", "int8")
    schemes: Mapping[str, tuple[str, ...]] = MappingProxyType({"int8": ("onnx", "onnx vnni")})
    takes_trained = False
    image_dtypes: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    options: type[TargetOptions] = OPTIONS
    default_size: Size | None = None
    grid = 1

    def check_available(self) -> None:
        """See `Target.check_available`."""
        for module in ("onnx", "onnxsim", "onnxruntime"):
            require(module, "onnx")
        require("openvino", "openvino")

    def build(self, job: BuildJob) -> Build:
        """See `Target.build`."""
        network, precision = job.network, job.precision
        check_exportable(network, job.size)
        graph, rungs = verified_graph(network, None if precision.calibrated else job.size)
        quantized = None
        if precision.calibrated:
            quantized = quantize_job(job, graph)
            graph = quantized.quantizer.quantized(quantized.layers)
            rungs += [*quantized.rungs, Rung("onnx int8", graph_run(graph), precision.name)]
        _write(with_size(graph, job.size) if job.size else graph, job.folder / MODEL_FILE, precision.weight_bits == 16)
        return Build(
            MODEL_FILE,
            FileTraits("openvino-ir", network.geometry.total_stride),
            IoContract(INPUT, OUTPUT, enlarges=network.enlarges),
            tuple(rungs),
            tool_versions("onnx", "onnxsim", "openvino"),
            *quantization_facts(quantized),
        )


def _write(graph: Any, path: Path, half_weights: bool) -> None:  # noqa: ANN401 (onnx.ModelProto)
    """Convert an ONNX graph and write `path` and its weights, a `.bin` beside it."""
    ov = require("openvino", "openvino")
    ov.save_model(ov.Core().read_model(graph.SerializeToString()), path, compress_to_fp16=half_weights)


TARGET: Target = OpenVinoTarget()
