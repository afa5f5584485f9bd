"""TensorRT: portable graphs for 8.5 to 11, judged here, and a kit that builds and measures engines on a device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from ensharpen_edge.artifact_manifest import FLOAT_DTYPE, FileTraits, IoContract
from ensharpen_edge.calibration.session import graph_run
from ensharpen_edge.errors import ParityError, require
from ensharpen_edge.export.graph.coded_tensors import graph_tensors
from ensharpen_edge.export.graph.half_precision import rounded_run
from ensharpen_edge.export.graph.lint import check_exportable
from ensharpen_edge.export.graph.onnx_graph import INPUT, OUTPUT, verified_graph, with_size
from ensharpen_edge.export.proof.ladder import Rung
from ensharpen_edge.export.proof.tiling import large_frame
from ensharpen_edge.export.proof.trained import LARGE_WINDOW, TrainedProof
from ensharpen_edge.export.quantization import Quantized
from ensharpen_edge.export.quantization_stage import quantization_facts, quantize_job
from ensharpen_edge.export.targets.base import Build, BuildJob, Target
from ensharpen_edge.export.targets.options import Size, TargetOptions
from ensharpen_edge.export.targets.trt.dla import CACHE, GRAPH, cache_text, for_accelerator
from ensharpen_edge.export.targets.trt.graphs import (
    WEAK_OPSET,
    PortableGraph,
    float_graphs,
    integer_graphs,
    with_pixel_images,
)
from ensharpen_edge.export.targets.trt.kit import Shapes, profile_shapes, write_kit
from ensharpen_edge.export.targets.trt.lint import check_lint, lint_for_dla, lint_graph
from ensharpen_edge.export.targets.trt.options import OPTIONS
from ensharpen_edge.export.targets.trt.rtx_check import RtxResult, check_with_rtx
from ensharpen_edge.export.tool_versions import tool_versions
from ensharpen_edge.export.trained import Trained
from ensharpen_edge.imaging.planes import to_planes
from ensharpen_edge.judging.scores import agreement

_SAME = 1e-5
_COMPARED = 512
"""Side of the photograph that graphs of a trained network are compared on, in pixels."""
_NEWEST = ("fp16", "int8-fp16", "int8-fp16-dense")
"""Graphs that no TensorRT 8.x is given."""


class TrtTarget:
    """Exports for NVIDIA GPUs, Jetsons first. Needs no GPU: engines are built on the device that runs them."""

    name = "trt"
    precisions: tuple[str, ...] = ("fp32", "fp16", "int8")
    schemes: Mapping[str, tuple[str, ...]] = MappingProxyType({"int8": ("trt",)})
    takes_trained = True
    image_dtypes: Mapping[str, tuple[str, ...]] = MappingProxyType(
        dict.fromkeys(("fp32", "fp16", "int8"), (FLOAT_DTYPE, "uint8"))
    )
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
            ParityError: A graph is not what TensorRT takes, or TensorRT-RTX refused it.
        """
        network, precision = job.network, job.precision
        check_exportable(network, job.size)
        simplified, first = verified_graph(network, None)
        graphs, quantized, proof = list(float_graphs(simplified)), None, None
        if precision.calibrated:
            quantized = quantize_job(job, simplified)
            integers = integer_graphs(quantized.quantizer, quantized.layers)
            graphs += integers
            if isinstance(quantized, Trained):
                proof = TrainedProof(quantized.reference, graph_tensors(integers[0].model))
                _check_against(proof, integers, network.geometry.total_stride)
        rungs = (*first, *_rungs(graphs, quantized))
        finished = [_finished(graph, job) for graph in graphs]
        accelerated = job.size is not None and job.image_dtype == FLOAT_DTYPE
        if accelerated:
            # Its scales are those of the equalised graph.
            finished.append(_for_accelerator(quantized.quantizer.model if quantized else simplified, job))
        stride = network.geometry.total_stride
        shapes = profile_shapes(job.size, stride)
        write_kit(job.folder, finished, precision.name, shapes, stride, job.image_dtype)
        if accelerated and quantized is not None:
            (job.folder / CACHE).write_text(cache_text(quantized.quantizer.ranges), encoding="utf-8")
        checks = {graph.name: _checked(graph, job, shapes) for graph in finished}
        # The gate runs one graph; the others climb the ladder.
        judged = f"{precision.name}-fp16" if precision.calibrated else precision.name
        return Build(
            f"{judged}.onnx",
            FileTraits("onnx", stride, can_be_timed=False),
            IoContract(INPUT, OUTPUT, dtype=job.image_dtype, enlarges=network.enlarges),
            rungs,
            tool_versions("onnx", "onnxsim", "onnxruntime"),
            *quantization_facts(quantized),
            graph={"portable": checks, "shapes": [list(shape) for shape in shapes]},
            trained=proof,
        )


def _for_accelerator(model: Any, job: BuildJob) -> PortableGraph:  # noqa: ANN401 (onnx.ModelProto)
    """The graph for Orin's accelerator.

    Raises:
        ParityError: It computes something else, or holds what the accelerator lacks.
    """
    size = job.size or (64, 64)
    fixed = with_size(model, size)
    made = for_accelerator(fixed)
    noise = np.random.default_rng(0).random((1, 3, *size), dtype=np.float32)
    difference = float(np.abs(graph_run(made)(noise) - graph_run(fixed)(noise)).max())
    if not difference <= _SAME:
        raise ParityError(f"the accelerator's graph differs by {difference:.3g}")
    check_lint(GRAPH, lint_for_dla(made))
    purpose = "the deep learning accelerator of Orin, TensorRT 8.5 to 10.7"
    return PortableGraph(GRAPH, made, "fp32", purpose)


def _check_against(proof: TrainedProof, graphs: Sequence[PortableGraph], stride: int) -> None:
    """Compare every graph with the network that was trained, as far as roundings to the neighbouring code allow.

    Raises:
        ParityError: One computes something else.
    """
    side = _COMPARED // stride * stride
    image = to_planes(large_frame()[:side, :side])
    expected = proof.run(image)
    for graph in graphs:
        reached = agreement(graph_run(graph.model)(image), expected)
        if not reached >= LARGE_WINDOW:
            raise ParityError(
                f"{graph.name} computes something else than the network that was trained: {reached:.1f} dB, needs "
                f"{LARGE_WINDOW:.0f} dB"
            )


def _rungs(graphs: list[PortableGraph], quantized: Quantized | Trained | None) -> list[Rung]:
    """Every graph with float images, before it gets the size and the images that were asked for."""
    rungs = []
    for graph in graphs:
        if graph.name == "fp16":
            rungs.append(Rung("fp16 arithmetic", rounded_run(graph.model), "fp16"))
        if graph.name == "int8" and quantized is not None:
            rungs += quantized.rungs
        if graph.name != "fp32" and not (isinstance(quantized, Trained) and graph.precision == "int8"):
            rungs.append(Rung(graph.name, graph_run(graph.model), graph.precision))
    return rungs


def _finished(graph: PortableGraph, job: BuildJob) -> PortableGraph:
    import onnx

    model = with_pixel_images(graph.model) if job.image_dtype == "uint8" else graph.model
    model = with_size(model, job.size) if job.size else model
    onnx.helper.set_model_props(model, {"title": job.title, "graph": graph.name})
    onnx.checker.check_model(model, full_check=True)
    return PortableGraph(graph.name, model, graph.precision, graph.purpose)


def _checked(graph: PortableGraph, job: BuildJob, shapes: Shapes) -> dict[str, Any]:
    """Lint and, where TensorRT-RTX is installed, the real parser and builder."""
    check_lint(graph.name, lint_graph(graph.model, None if graph.name in _NEWEST else WEAK_OPSET))
    path: Path = job.folder / f"{graph.name}.onnx"
    job.progress(f"TensorRT-RTX builds {graph.name}")
    result: RtxResult = check_with_rtx(path, shapes)
    if result.passed is False:
        raise ParityError(f"{graph.name}: TensorRT-RTX does not take it: {result.reason}")
    opset = max(entry.version for entry in graph.model.opset_import)
    return {"bytes": path.stat().st_size, "opset": opset, "purpose": graph.purpose, "rtx": result.to_dict()}


TARGET: Target = TrtTarget()
