"""ONNX: opset 17, single-operator shuffles, fp32 or fp16 weights."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ensharpen_edge.artifact_manifest import FileTraits, IoContract
from ensharpen_edge.errors import require
from ensharpen_edge.export.graph.coded_tensors import coded_tensors
from ensharpen_edge.export.graph.half_precision import rounded_run, to_half, with_half_weights
from ensharpen_edge.export.graph.lint import check_exportable
from ensharpen_edge.export.graph.onnx_graph import INPUT, OPSET, OUTPUT, check_opset, verified_graph, with_size
from ensharpen_edge.export.proof.ladder import Rung
from ensharpen_edge.export.proof.trained import TrainedProof
from ensharpen_edge.export.quantization_stage import quantization_facts, quantize_job
from ensharpen_edge.export.targets.base import Build, BuildJob, Target
from ensharpen_edge.export.targets.onnx.options import OPTIONS
from ensharpen_edge.export.targets.options import Size, TargetOptions
from ensharpen_edge.export.tool_versions import tool_versions
from ensharpen_edge.export.trained import Trained

MODEL_FILE = "model.onnx"


class OnnxTarget:
    """Exports for ONNX Runtime."""

    name = "onnx"
    precisions: tuple[str, ...] = ("fp32", "fp16", "fp16-weights", "int8")
    schemes: Mapping[str, tuple[str, ...]] = MappingProxyType({"int8": ("onnx", "onnx vnni")})
    takes_trained = True
    image_dtypes: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    options: type[TargetOptions] = OPTIONS
    default_size: Size | None = None
    grid = 1

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

        network, precision = job.network, job.precision
        # Photographs are calibrated on in crops, whatever size the finished graph takes.
        size = None if precision.calibrated else job.size
        check_exportable(network, size)
        simplified, rungs = verified_graph(network, size)
        final, quantized, proof = simplified, None, None
        if precision.calibrated:
            quantized = quantize_job(job, simplified)
            rungs += quantized.rungs
            final = quantized.quantizer.quantized(quantized.layers)
            if isinstance(quantized, Trained):
                proof = TrainedProof(quantized.reference, coded_tensors(job.folder / MODEL_FILE))
            final = with_size(final, job.size) if job.size else final
        elif precision.activation_bits == 32 and not precision.whole:
            final = with_half_weights(simplified)
        elif not precision.whole:
            final = to_half(simplified)
            rungs.append(Rung("fp16 arithmetic", rounded_run(final), precision.name))
        onnx.helper.set_model_props(final, {"title": job.title, "precision": precision.name})
        check_opset(final)
        onnx.checker.check_model(final, full_check=True)
        onnx.save_model(final, str(job.folder / MODEL_FILE))
        tools = {**tool_versions("onnx", "onnxsim", "onnxruntime"), "opset": str(OPSET)}
        return Build(
            MODEL_FILE,
            FileTraits("onnx", network.geometry.total_stride),
            IoContract(INPUT, OUTPUT, enlarges=network.enlarges),
            tuple(rungs),
            tools,
            *quantization_facts(quantized),
            trained=proof,
        )


TARGET: Target = OnnxTarget()
