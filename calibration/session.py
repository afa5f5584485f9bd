"""ONNX Runtime sessions of graphs in memory, on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ensharpen_edge.arrays import F32
from ensharpen_edge.errors import require

Run = Callable[[F32], F32]
"""float32 (1, 3, H, W) -> float32 (1, 3, H', W')."""


def graph_session(model: Any, threads: int = 0) -> Any:  # noqa: ANN401 (onnx.ModelProto -> InferenceSession)
    """Return an ONNX Runtime session.

    Products of uint8 and int8 are added without saturating whatever the CPU, so quantized graphs compute what they say.

    Raises:
        MissingToolError: onnxruntime is not installed.
    """
    onnxruntime = require("onnxruntime", "onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def graph_run(model: Any, threads: int = 0) -> Run:  # noqa: ANN401
    """Return a function that runs a graph with one input and one output."""
    session = graph_session(model, threads)
    name = session.get_inputs()[0].name

    def run(batch: F32) -> F32:
        (output,) = session.run(None, {name: batch})
        return np.asarray(output, dtype=np.float32)

    return run
