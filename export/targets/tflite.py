"""TFLite: NHWC, single-operator shuffles, fp32 or fp16 weights, for LiteRT and its delegates."""

from __future__ import annotations

import platform
from importlib import metadata

import torch

from ensharpen_edge.artifact import IoContract
from ensharpen_edge.errors import UsageError, require
from ensharpen_edge.export.lint import expected_operators
from ensharpen_edge.export.parity import Rung
from ensharpen_edge.export.request import Build, BuildJob
from ensharpen_edge.export.targets.onnx import INPUT, OUTPUT, check_graph, export_graph, simplify
from ensharpen_edge.export.tflite.convert import LOWERINGS, Conversion, to_tflite

MODEL_FILE = "model.tflite"
FIRST_SIZE = (256, 256)
"""That a file for free sizes opens with."""


class TfliteTarget:
    """Exports for LiteRT: Android, iOS, microcontrollers' bigger siblings, and its GPU and NPU delegates."""

    name = "tflite"
    precisions: tuple[str, ...] = ("fp32", "fp16")

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
        from ensharpen_edge.calibration.session import graph_run

        raw = export_graph(job.student, job.size)
        simplified = simplify(raw)
        check_graph(simplified, expected_operators(job.student.config))
        strange = sorted({node.op_type for node in simplified.graph.node} - set(LOWERINGS) - {"Constant"})
        if strange:
            raise UsageError(
                f"{job.student.config.name}: needs {', '.join(strange)}, which the TFLite target cannot write yet",
                hint="train without that option, or export for onnx",
            )
        conversion = Conversion(
            simplified, job.size or FIRST_SIZE, job.size is None, job.precision == "fp16", job.title
        )
        (job.folder / MODEL_FILE).write_bytes(to_tflite(conversion))
        rungs = (Rung("onnx", graph_run(raw)), Rung("onnxsim", graph_run(simplified)))
        tools = {
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            **{name: metadata.version(name) for name in ("onnx", "onnxsim", "ai-edge-litert")},
        }
        return Build(MODEL_FILE, IoContract(INPUT, OUTPUT, layout="NHWC"), rungs, tools)
