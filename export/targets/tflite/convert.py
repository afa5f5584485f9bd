"""ONNX to TFLite, operator by operator: layouts become NHWC, ReLUs are fused, shuffles stay single operators."""

from __future__ import annotations

from ensharpen_edge.errors import UsageError
from ensharpen_edge.export.targets.tflite.lowerings import LOWERINGS
from ensharpen_edge.export.targets.tflite.writer import Conversion, GraphWriter


def to_tflite(job: Conversion) -> bytes:
    """Return a TFLite file that computes what the graph computes.

    Raises:
        MissingToolError: ai-edge-litert is not installed.
        UsageError: An operator or an option has no counterpart.
        BadInputError: A bias does not fit its integer.
    """
    writer = GraphWriter(job)
    graph = job.model.graph
    source, target = graph.input[0].name, graph.output[0].name
    inputs = {source: writer.written(source, job.images)}
    for node in graph.node:
        if node.op_type == "Constant" or writer.has(node.output[0]):
            continue
        if node.op_type not in LOWERINGS:
            raise UsageError(
                f"the operator {node.op_type} ({node.name}) has no TFLite form here",
                hint=f"known: {', '.join(sorted(LOWERINGS))}",
            )
        LOWERINGS[node.op_type](writer, node)
    result = writer.read(target)
    writer.builder.rename(result, target)
    for name, content in job.metadata.items():
        writer.builder.metadata(name, content)
    return writer.builder.finish(inputs, {target: result})
