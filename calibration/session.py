"""ONNX Runtime sessions of graphs in memory, on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ensharpen_edge.arrays import F32
from ensharpen_edge.errors import require
from ensharpen_edge.processor_cores import usual_threads

Run = Callable[[F32], F32]
"""float32 (1, 3, H, W) -> float32 (1, 3, H', W')."""


def graph_session(model: Any, threads: int = 0, optimized: bool = True) -> Any:  # noqa: ANN401 (InferenceSession)
    """Return an ONNX Runtime session.

    Products of uint8 and int8 are added without saturating whatever the CPU, so quantized graphs compute what they say.

    Args:
        model: onnx.ModelProto.
        threads: CPU threads; 0 takes the usual number.
        optimized: Whether nodes may be fused; otherwise every node computes, and rounds, by itself.

    Raises:
        MissingToolError: onnxruntime is not installed.
    """
    onnxruntime = require("onnxruntime", "onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or usual_threads()
    options.log_severity_level = 3
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def graph_run(model: Any, threads: int = 0, optimized: bool = True) -> Run:  # noqa: ANN401
    """Return a function that runs a graph with one input and one output; see `graph_session`."""
    session = graph_session(model, threads, optimized)
    name = session.get_inputs()[0].name

    def run(batch: F32) -> F32:
        (output,) = session.run(None, {name: batch})
        return np.asarray(output, dtype=np.float32)

    return run
