"""Which backend runs which target. A new backend is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.errors import unknown_name
from ensharpen_edge.runtime.coreml import CoremlEngine
from ensharpen_edge.runtime.engine import Engine
from ensharpen_edge.runtime.litert import LiteRtEngine
from ensharpen_edge.runtime.onnxruntime import OnnxRuntimeEngine
from ensharpen_edge.runtime.tensorrt import TensorRtEngine

EngineFactory = Callable[[Artifact, str, int], Engine]

ENGINES: dict[str, EngineFactory] = {
    "coreml": CoremlEngine,
    "onnx": OnnxRuntimeEngine,
    "tflite": LiteRtEngine,
    "trt": TensorRtEngine,
    "trt-kit": OnnxRuntimeEngine,
}
"""`trt-kit`: graphs for TensorRT, run on the CPU to be judged."""


def open_engine(artifact: Artifact, device: str = "cpu", threads: int = 0) -> Engine:
    """The engine for an artifact's target.

    Raises:
        UsageError: No backend runs this target.
    """
    target = artifact.manifest.target
    if target not in ENGINES:
        raise unknown_name("target", target, ENGINES)
    return ENGINES[target](artifact, device, threads)
