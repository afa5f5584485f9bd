"""Core ML: packages for iPhones, iPads and Macs, judged by an interpreter that reads the saved file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ensharpen_edge import __version__
from ensharpen_edge.artifact_manifest import FLOAT_DTYPE, FileTraits, IoContract
from ensharpen_edge.errors import UsageError, require
from ensharpen_edge.export.descriptions import describe_task
from ensharpen_edge.export.feeding import CONTRACT, Feeding, FileSizes
from ensharpen_edge.export.graph.lint import check_exportable
from ensharpen_edge.export.graph.onnx_graph import INPUT, OUTPUT, verified_graph
from ensharpen_edge.export.precision import Precision
from ensharpen_edge.export.quantization import Quantized
from ensharpen_edge.export.quantization_stage import quantization_facts, quantize_job
from ensharpen_edge.export.targets.base import Build, BuildJob, Target
from ensharpen_edge.export.targets.coreml.compiling import compile_package
from ensharpen_edge.export.targets.coreml.compression import compress_weights, oldest_system
from ensharpen_edge.export.targets.coreml.convert import CoremlJob, package_bytes, to_coreml
from ensharpen_edge.export.targets.coreml.lowerings import LOWERINGS
from ensharpen_edge.export.targets.coreml.neural_engine import neural_engine_report
from ensharpen_edge.export.targets.coreml.options import DEPLOYMENTS, OPTIONS, CoremlOptions
from ensharpen_edge.export.targets.coreml.writer import CodedConvolutions
from ensharpen_edge.export.targets.options import Size, TargetOptions
from ensharpen_edge.export.tool_versions import tool_versions
from ensharpen_edge.export.trained import Trained
from ensharpen_edge.runtime.engines.coreml import INTERPRETER
from ensharpen_edge.runtime.mil.program import MilProgram
from ensharpen_edge.runtime.mil.quiet import quiet
from ensharpen_edge.runtime.mil.sizes import ALIGNMENT

PACKAGE = "model.mlpackage"
PRECISIONS = ("fp32", "fp16", "int8", "int8-weights", "int4-weights", "palette8", "palette6", "palette4")
SIZE = (512, 512)
FLOATS, CODES = "iOS16", "iOS17"
"""The oldest systems for programs of floats, and with 8-bit activations."""


class CoremlTarget:
    """Exports for Apple's devices. Conversion runs anywhere; what the package computes is measured anywhere, too."""

    name = "coreml"
    precisions: tuple[str, ...] = PRECISIONS
    schemes: Mapping[str, tuple[str, ...]] = MappingProxyType({"int8": ("coreml",)})
    takes_trained = False
    image_dtypes: Mapping[str, tuple[str, ...]] = MappingProxyType(dict.fromkeys(PRECISIONS, (FLOAT_DTYPE, "uint8")))
    options: type[TargetOptions] = OPTIONS
    default_size: Size | None = SIZE
    grid = ALIGNMENT

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
        network, precision, options = job.network, job.precision, job.options_of(CoremlOptions)
        sizes = options.sizes(job.size or SIZE)
        for size in sizes:
            check_exportable(network, size)
        if network.fixed_size:
            raise UsageError(f"{network.name}: its graph holds one size, and packages here are made for any")
        if precision.palette:
            require("sklearn", "coreml")
        deployment = _deployment(precision, options)
        simplified, rungs = verified_graph(network, None)
        strange = sorted({node.op_type for node in simplified.graph.node} - set(LOWERINGS) - {"Constant"})
        if strange:
            raise UsageError(f"{network.name}: needs {', '.join(strange)}, which Core ML packages here lack")
        graph, coded, quantized = simplified, CodedConvolutions(), None
        if precision.calibrated:
            quantized = quantize_job(job, simplified)
            rungs += quantized.rungs
            graph, coded = _coded(quantized)
        io = IoContract(INPUT, OUTPUT, dtype=job.image_dtype, enlarges=network.enlarges)
        feeding = Feeding(
            io, FileSizes(sizes, options.flexible, ALIGNMENT), tile_exact=True, pictures=job.image_dtype != FLOAT_DTYPE
        )
        path = job.folder / PACKAGE
        half = not precision.whole
        metadata = _metadata(job, feeding)
        model = to_coreml(
            CoremlJob(
                graph, sizes, half, options.flexible, deployment, feeding.pictures, network.enlarges, coded, metadata
            )
        )
        if precision.compressed:
            job.progress("compressing the weights")
            with quiet():
                model = compress_weights(model, precision)
        with quiet():
            model.save(str(path))
        return Build(
            f"{PACKAGE}/Manifest.json",
            FileTraits("mlpackage", ALIGNMENT, feeding.pictures),
            io,
            tuple(rungs),
            tool_versions("onnx", "onnxsim", "coremltools"),
            *quantization_facts(quantized),
            graph=_facts(options, path, sizes) | {"deployment": deployment},
            device=INTERPRETER,
        )


def _metadata(job: BuildJob, feeding: Feeding) -> dict[str, str]:
    """Texts inside the package (see `CoremlJob.metadata`)."""
    network = job.network
    return {
        "author": "EnSharpen Edge",
        "licence": network.facts.licence,
        "version": __version__,
        "description": f"{job.title}. {describe_task(network.task)}",
        "checkpoint_sha256": network.facts.sha256,
        "precision": job.precision.name,
        "input": feeding.input_text,
        "output": feeding.output_text,
        CONTRACT: feeding.contract(network),
    }


def _facts(options: CoremlOptions, package: Path, sizes: tuple[Size, ...]) -> dict[str, Any]:
    """For the manifest's `graph`, read from the saved package; `--compile` happens here."""
    program = MilProgram(package)
    facts: dict[str, Any] = {
        "operations": program.counts,
        "package_bytes": package_bytes(package),
        "sizes": [list(size) for size in sizes],
        "flexible": options.flexible,
        "neural_engine": neural_engine_report(program, options.flexible),
    }
    if options.compiled:
        facts["compiled"], planned = compile_package(package)
        facts["neural_engine"] |= {"planned": planned} if planned else {}
    return facts


def _deployment(precision: Precision, options: CoremlOptions) -> str:
    oldest = FLOATS
    if precision.calibrated:
        oldest = CODES
    elif precision.compressed:
        oldest = oldest_system(precision)
    wanted = options.deployment or oldest
    if DEPLOYMENTS.index(wanted) < DEPLOYMENTS.index(oldest):
        raise UsageError(f"{precision.name} needs {oldest}, not {wanted}", hint=f"--deployment {oldest}")
    return wanted


def _coded(quantized: Quantized | Trained) -> tuple[Any, CodedConvolutions]:
    """The graph with rounded weights, and which nodes read what in codes."""
    quantizer, layers = quantized.quantizer, quantized.layers
    model, steps = quantizer.rounded(layers)
    reads = {name: nodes or frozenset() for name, nodes in quantizer.reads(layers).items()}
    return model, CodedConvolutions(reads, quantizer.ranges, steps)


TARGET: Target = CoremlTarget()
