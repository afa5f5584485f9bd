"""Graphs in half precision, and a run of them in half-precision arithmetic."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ensharpen_edge.arrays import F32
from ensharpen_edge.export.graph.onnx_graph import INPUT
from ensharpen_edge.export.proof.ladder import Run


def to_half(model: Any) -> Any:  # noqa: ANN401
    """Return a copy (onnx.ModelProto) with fp16 weights and arithmetic, float32 input and output."""
    import onnx
    from onnxconverter_common import float16

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # one per weight below fp16's smallest normal number
        return float16.convert_float_to_float16(
            onnx.ModelProto.FromString(model.SerializeToString()), keep_io_types=True
        )


def reference_run(model: Any) -> Run:  # noqa: ANN401
    """Return a function that runs a graph in numpy, every operator rounding to its declared type.

    ONNX Runtime computes fp16 graphs in fp32 on CPUs, so it shows the rounding of the weights only; this shows what
    half-precision arithmetic on a device does.
    """
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(model)

    def run(batch: F32) -> F32:
        (output,) = evaluator.run(None, {INPUT: batch})
        return np.asarray(output, dtype=np.float32)

    return run
