"""NVIDIA's own front end on a machine without a GPU: TensorRT-RTX parses the graphs and builds engines ahead of time.

It shows that operators, types and shapes are right for TensorRT's parser. Engines of TensorRT-RTX do not run on
Jetsons, and what they cost says nothing about speed.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PACKAGE = "tensorrt_rtx"
INSTALL = "pip install tensorrt-rtx==1.7.1.116"
_TIMEOUT = 300


@dataclass(frozen=True)
class RtxResult:
    """Answer of TensorRT-RTX about one graph.

    Attributes:
        passed: Whether it was parsed and built; None when it was not run.
        layers: Number of layers of the parsed network.
        seconds: Time to parse and build it.
        size: Size of the engine in bytes.
        reason: Reason why it was refused or not run.
    """

    passed: bool | None
    layers: int = 0
    seconds: float = 0.0
    size: int = 0
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)


def check_with_rtx(path: Path, shapes: Sequence[Sequence[int]]) -> RtxResult:
    """Parse and build, in a process of its own: a library without a driver below it may crash.

    Args:
        path: ONNX file.
        shapes: Smallest, usual and largest shape of its input.
    """
    if importlib.util.find_spec(PACKAGE) is None:
        return RtxResult(None, reason=f"not run: {INSTALL}")
    arguments = [sys.executable, "-m", __name__, str(path), json.dumps([list(shape) for shape in shapes])]
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=_TIMEOUT)
    except subprocess.TimeoutExpired:
        return RtxResult(False, reason=f"no answer within {_TIMEOUT} s")
    lines = done.stdout.strip().splitlines()
    try:
        return RtxResult(**json.loads(lines[-1]))
    except (IndexError, ValueError, TypeError):
        tail = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return RtxResult(False, reason=f"ended with code {done.returncode}: {tail}")


def _build(path: str, shapes: list[list[int]]) -> RtxResult:
    import tensorrt_rtx as trt

    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:  # noqa: ANN401
            if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                self.errors.append(message)

    log, start = Log(), time.monotonic()
    builder = trt.Builder(log)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log)
    if not parser.parse_from_file(path):
        error = parser.get_error(0)
        return RtxResult(False, reason=f"{error.node_name()}: {error.desc()}")
    config = builder.create_builder_config()
    profile = builder.create_optimization_profile()
    profile.set_shape(network.get_input(0).name, *[tuple(shape) for shape in shapes])
    config.add_optimization_profile(profile)
    config.num_compute_capabilities = 1
    config.set_compute_capability(trt.ComputeCapability.SM86, 0)
    engine = builder.build_serialized_network(network, config)
    seconds = time.monotonic() - start
    if engine is None:
        reason = (log.errors or ["no message"])[-1]
        return RtxResult(False, network.num_layers, seconds, reason=reason)
    return RtxResult(True, network.num_layers, seconds, engine.nbytes)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_build(sys.argv[1], json.loads(sys.argv[2])).to_dict()) + "\n")
