"""The quantization stage on the float graph of a target's job."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ensharpen_edge.calibration.run import FloatGraph, graph_hash, refuse_enlarging
from ensharpen_edge.errors import UsageError
from ensharpen_edge.export.quantization import ALL_LAYERS, Quantized, quantize_graph
from ensharpen_edge.export.targets.base import BuildJob
from ensharpen_edge.export.trained import Trained, open_trained


def quantization_facts(quantized: Quantized | Trained | None) -> tuple[dict[str, Any], str | None]:
    """Return what a `Build` says of its quantization: the description, and the key of the table."""
    if quantized is None:
        return {}, None
    return quantized.describe(), quantized.key


def quantize_job(job: BuildJob, graph: Any) -> Quantized | Trained:  # noqa: ANN401 (onnx.ModelProto)
    """Calibrate, plan and quantize a job's float graph, or take the network that was trained in its place.

    Args:
        job: The file that is being built.
        graph: Its float graph, for free sizes.

    Raises:
        UsageError: There is nothing to calibrate with, or the network enlarges.
        IntegrityError: A trained network belongs to another float one.
    """
    network, request = job.network, job.quantization
    refuse_enlarging(network.name, network.enlarges)
    if request is None:
        raise UsageError(f"{job.precision.name} needs a calibration", hint="--calib my_photos")
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
    if request.trained is not None:
        job.progress("reading the network that was trained in 8 bits")
        return open_trained(Path(request.trained), floats, request.wanted.settings.scheme)
    if not job.precision.planned and request.plan is None:
        # So many codes cost too little to search for layers that need more.
        request = replace(request, plan=ALL_LAYERS)
    return quantize_graph(floats, request, job.tables / f"{network.name}-calibration", job.progress)
