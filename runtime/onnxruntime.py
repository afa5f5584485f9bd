"""ONNX Runtime backend."""

from __future__ import annotations

import numpy as np

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.errors import EnsharpenError, IntegrityError, OutOfMemoryError, UsageError, require
from ensharpen_edge.runtime.engine import Batch
from ensharpen_edge.runtime.onnxruntime_session import PROVIDERS, open_session
from ensharpen_edge.runtime.whole_onnx import read_whole_onnx

_SAFE_WEIGHT = 64
"""Larger int8 weights saturate in the 16-bit sums of x86 processors without VNNI, unless slower kernels are used."""


class OnnxRuntimeEngine:
    """Runs a `.onnx` artifact. `run` raises `OutOfMemoryError` when a window does not fit.

    Args:
        artifact: A verified artifact with target `onnx`.
        device: `cpu` or `cuda`.
        threads: CPU threads; 0 takes all cores.

    Attributes:
        device: The device that was asked for. ONNX Runtime's way of going on without it, on the CPU, is an error here.

    Raises:
        MissingToolError: onnxruntime, or the provider for the device, is not installed, or the provider does not start.
        IntegrityError: onnxruntime cannot load the file, or the file keeps weights in other files.
        UsageError: Unknown device.
    """

    def __init__(self, artifact: Artifact, device: str = "cpu", threads: int = 0) -> None:
        ort = require("onnxruntime", "onnx")
        if device not in PROVIDERS:
            raise UsageError(f"onnxruntime: unknown device {device!r}", hint=f"known: {', '.join(PROVIDERS)}")
        self.device = device
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        if artifact.manifest.quantization.get("largest_weight", 0) > _SAFE_WEIGHT:
            options.add_session_config_entry("session.x64quantprecision", "1")
        model = read_whole_onnx(artifact)
        try:
            self._session = open_session(ort, model, options, device)
        except EnsharpenError:
            raise
        except Exception as error:  # onnxruntime raises its own unexported exception classes
            raise IntegrityError(f"{artifact.model_path}: onnxruntime cannot load it ({error})") from error
        self._input = artifact.manifest.io.input_name
        self._output = artifact.manifest.io.output_name
        names = [node.name for node in (*self._session.get_inputs(), *self._session.get_outputs())]
        if names != [self._input, self._output]:
            raise IntegrityError(
                f"{artifact.model_path}: has tensors {names}, the manifest says {[self._input, self._output]}"
            )

    def run(self, batch: Batch) -> Batch:
        """See `Engine.run`."""
        try:
            (output,) = self._session.run([self._output], {self._input: batch})
        except Exception as error:  # see above
            if "allocate" in str(error):
                raise OutOfMemoryError(f"not enough memory for a window of {batch.shape}") from error
            raise UsageError(f"onnxruntime cannot run a window of {batch.shape} ({error})") from error
        return np.asarray(output)

    def close(self) -> None:
        """Drop the session."""
        del self._session

    def __enter__(self) -> OnnxRuntimeEngine:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
