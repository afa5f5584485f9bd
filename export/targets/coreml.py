"""Core ML: packages for iPhones, iPads and Macs, judged by an interpreter that reads the saved file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ensharpen_edge import __version__
from ensharpen_edge.artifact import FLOAT_DTYPE, IoContract
from ensharpen_edge.calibration.session import graph_run
from ensharpen_edge.errors import UsageError, require
from ensharpen_edge.export.coreml.compiling import compile_package
from ensharpen_edge.export.coreml.compression import COMPRESSIONS, compress_weights
from ensharpen_edge.export.coreml.convert import DEPLOYMENTS, CoremlJob, package_bytes, to_coreml
from ensharpen_edge.export.coreml.lowerings import LOWERINGS
from ensharpen_edge.export.coreml.neural_engine import neural_engine_report
from ensharpen_edge.export.coreml.writer import CodedConvolutions
from ensharpen_edge.export.descriptions import describe_task
from ensharpen_edge.export.feeding import CONTRACT, Feeding, FileSizes, with_task
from ensharpen_edge.export.lint import check_exportable
from ensharpen_edge.export.parity import Rung
from ensharpen_edge.export.quantization import Quantized
from ensharpen_edge.export.request import Build, BuildJob
from ensharpen_edge.export.targets.onnx import (
    INPUT,
    OUTPUT,
    quantization_facts,
    quantize_job,
    tool_versions,
    verified_graph,
)
from ensharpen_edge.runtime.coreml import INTERPRETER
from ensharpen_edge.runtime.mil.program import MilProgram
from ensharpen_edge.runtime.mil.quiet import quiet
from ensharpen_edge.runtime.mil.sizes import ALIGNMENT

PACKAGE = "model.mlpackage"
SIZE = (512, 512)
FLOATS, CODES = "iOS16", "iOS17"
"""The oldest systems for programs of floats, and with 8-bit activations."""


class CoremlTarget:
    """Exports for Apple's devices. Conversion runs anywhere; what the package computes is measured anywhere, too."""

    name = "coreml"
    precisions: tuple[str, ...] = ("fp32", "fp16", "int8", *COMPRESSIONS)
    schemes: Mapping[str, tuple[str, ...]] = MappingProxyType({"int8": ("coreml",)})
    image_dtypes: Mapping[str, tuple[str, ...]] = MappingProxyType(
        dict.fromkeys(("fp32", "fp16", "int8", *COMPRESSIONS), (FLOAT_DTYPE, "uint8"))
    )
    default_size: tuple[int, int] | None = SIZE

    def check_available(self) -> None:
        """See `Target.check_available`."""
        for module in ("onnx", "onnxsim", "onnxruntime"):
            require(module, "onnx")
        with quiet():
            require("coremltools", "coreml")

    def build(self, job: BuildJob) -> Build:
        """See `Target.build`.

        Raises:
            UsageError: A size, a system or an operator that a package cannot have.
        """
        size = job.size or SIZE
        sizes = (size, *job.coreml.more_sizes)
        for height, width in sizes:
            check_exportable(job.student.config, (height, width))
        if job.student.config.windows:
            raise UsageError(f"{job.student.config.name}: needs attention over windows, which packages here lack")
        if job.precision.startswith("palette"):
            require("sklearn", "coreml")
        deployment = _deployment(job)
        simplified, rungs = verified_graph(job.student, None)
        strange = sorted({node.op_type for node in simplified.graph.node} - set(LOWERINGS) - {"Constant"})
        if strange:
            raise UsageError(f"{job.student.config.name}: needs {', '.join(strange)}, which Core ML packages here lack")
        graph, coded, quantized = simplified, CodedConvolutions(), None
        if job.precision in self.schemes:
            quantized = quantize_job(job, simplified, self.schemes[job.precision])
            rungs.append(Rung("equalised", graph_run(quantized.quantizer.model)))
            graph, coded = _coded(quantized)
        half = job.precision != "fp32"
        pixels = job.image_dtype != FLOAT_DTYPE
        description = {
            "author": "EnSharpen Edge",
            "licence": job.licence,
            "version": __version__,
            "description": f"{job.title}. {describe_task(job.student.config.heads[0])}",
            "checkpoint_sha256": job.weights,
            "precision": job.precision,
        }
        flexible = job.coreml.flexible
        io = IoContract(INPUT, OUTPUT, dtype=job.image_dtype)
        feeding = Feeding(
            with_task(io, job.student.config), FileSizes(sizes, flexible, ALIGNMENT), tile_exact=True, pictures=pixels
        )
        description |= {"input": feeding.input_text, "output": feeding.output_text, CONTRACT: feeding.contract(job)}
        enlarges = feeding.io.enlarges
        model = to_coreml(CoremlJob(graph, sizes, half, flexible, deployment, pixels, enlarges, coded, description))
        if job.precision in COMPRESSIONS:
            job.step("compressing the weights")
            with quiet():
                model = compress_weights(model, job.precision)
        path = job.folder / PACKAGE
        with quiet():
            model.save(str(path))
        facts = self._facts(job, path, sizes) | {"deployment": deployment}
        return Build(
            f"{PACKAGE}/Manifest.json",
            io,
            tuple(rungs),
            tool_versions("onnx", "onnxsim", "coremltools"),
            *quantization_facts(quantized),
            graph=facts,
            device=INTERPRETER,
        )

    def _facts(self, job: BuildJob, package: Path, sizes: tuple[tuple[int, int], ...]) -> dict[str, Any]:
        """For the manifest's `graph`, read from the saved package; `--compile` happens here."""
        program = MilProgram(package)
        facts: dict[str, Any] = {
            "operations": program.counts,
            "package_bytes": package_bytes(package),
            "sizes": [list(size) for size in sizes],
            "flexible": job.coreml.flexible,
            "neural_engine": neural_engine_report(program, job.coreml.flexible),
        }
        if job.coreml.compiled:
            facts["compiled"], planned = compile_package(package)
            facts["neural_engine"] |= {"planned": planned} if planned else {}
        return facts


def _deployment(job: BuildJob) -> str:
    oldest = CODES if job.precision == "int8" else FLOATS
    if job.precision in COMPRESSIONS:
        oldest = COMPRESSIONS[job.precision].deployment
    wanted = job.coreml.deployment or oldest
    if wanted not in DEPLOYMENTS:
        raise UsageError(f"unknown system {wanted!r}", hint=f"known: {', '.join(DEPLOYMENTS)}")
    if DEPLOYMENTS.index(wanted) < DEPLOYMENTS.index(oldest):
        raise UsageError(f"{job.precision} needs {oldest}, not {wanted}", hint=f"--deployment {oldest}")
    return wanted


def _coded(quantized: Quantized) -> tuple[Any, CodedConvolutions]:
    """The graph with rounded weights, and which nodes read what in codes."""
    quantizer, layers = quantized.quantizer, quantized.layers
    model, steps = quantizer.rounded(layers)
    reads = {name: nodes or frozenset() for name, nodes in quantizer.reads(layers).items()}
    return model, CodedConvolutions(reads, quantizer.ranges, steps)
