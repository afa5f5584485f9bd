"""The quantization stage on the float graph of a target's job."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ensharpen_edge.calibration.run import FloatGraph, graph_hash, refuse_enlarging
from ensharpen_edge.errors import UsageError
from ensharpen_edge.export.quantization import ALL_LAYERS, Quantized, quantize_graph
from ensharpen_edge.export.targets.base import BuildJob


def quantization_facts(quantized: Quantized | None) -> tuple[dict[str, Any], str | None]:
    """Return what a `Build` says of its quantization: the description, and the key of the table."""
    if quantized is None:
        return {}, None
    return quantized.describe(), quantized.quantizer.table.provenance.key


def quantize_job(job: BuildJob, graph: Any) -> Quantized:  # noqa: ANN401 (onnx.ModelProto)
    """Calibrate, plan and quantize a job's float graph.

    Args:
        job: The file that is being built.
        graph: Its float graph, for free sizes.

    Raises:
        UsageError: There is nothing to calibrate with, or the network enlarges.
    """
    network, request = job.network, job.quantization
    refuse_enlarging(network.name, network.enlarges)
    if request is None:
        raise UsageError(f"{job.precision.name} needs a calibration", hint="--calib my_photos")
    if not job.precision.planned and request.plan is None:
        # So many codes cost too little to search for layers that need more.
        request = replace(request, plan=ALL_LAYERS)
    facts = network.facts
    floats = FloatGraph(
        graph,
        graph_hash(graph),
        facts.sha256,
        network.geometry.total_stride,
        network.name,
        dict(facts.training),
        network.task,
    )
    return quantize_graph(floats, request, job.tables / f"{network.name}-calibration", job.progress)
