"""LiteRT (TFLite) backend: `ai_edge_litert`, or `tflite_runtime` where only that is installed."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.errors import IntegrityError, MissingToolError, OutOfMemoryError, UsageError
from ensharpen_edge.runtime.engine import Batch
from ensharpen_edge.runtime.tflite_external_buffers import has_external_buffers

_MODULES = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter")


class LiteRtEngine:
    """Runs a `.tflite` artifact with XNNPACK. `run` raises `OutOfMemoryError` when a window does not fit.

    Attributes:
        device: `cpu`: no delegate for another device is ever loaded.

    Args:
        artifact: A verified artifact with target `tflite`.
        device: `cpu`.
        threads: CPU threads; 0 takes all cores.

    Raises:
        MissingToolError: Neither package is installed.
        IntegrityError: The file cannot be loaded, keeps weights in other files, or holds other tensors than its
            manifest says.
        UsageError: Unknown device.
    """

    def __init__(self, artifact: Artifact, device: str = "cpu", threads: int = 0) -> None:
        if device != "cpu":
            raise UsageError(f"litert: unknown device {device!r}", hint="known: cpu")
        self.device = device
        module = _interpreter_module()
        self._file = artifact.model_path
        model = artifact.read_model()
        _check_whole(self._file, model)
        try:
            self._interpreter: Any = module.Interpreter(model_content=model, num_threads=threads or os.cpu_count() or 1)
            (self._source,) = self._interpreter.get_input_details()
            (self._target,) = self._interpreter.get_output_details()
        except Exception as error:  # the bindings raise ValueError, RuntimeError and SystemError
            raise IntegrityError(f"{self._file}: LiteRT cannot load it ({error})") from error
        io = artifact.manifest.io
        names = [_plain(self._source["name"]), _plain(self._target["name"])]
        if names != [io.input_name, io.output_name]:
            raise IntegrityError(
                f"{self._file}: has tensors {names}, the manifest says {[io.input_name, io.output_name]}"
            )
        types = [np.dtype(tensor["dtype"]).name for tensor in (self._source, self._target)]
        if types != [io.dtype, io.dtype]:
            raise IntegrityError(f"{self._file}: has tensors of {types}, the manifest says {io.dtype}")
        self._shape: tuple[int, ...] | None = None

    def run(self, batch: Batch) -> Batch:
        """See `Engine.run`; NHWC."""
        try:
            if batch.shape != self._shape:
                self._shape = None
                self._interpreter.resize_tensor_input(self._source["index"], batch.shape, strict=True)
                self._interpreter.allocate_tensors()
                self._shape = batch.shape
            self._interpreter.set_tensor(self._source["index"], batch)
            self._interpreter.invoke()
            output = self._interpreter.get_tensor(self._target["index"])
        except Exception as error:  # see above
            if isinstance(error, MemoryError) or "allocate" in str(error).lower():
                raise OutOfMemoryError(f"not enough memory for a window of {batch.shape}") from error
            raise UsageError(f"LiteRT cannot run a window of {batch.shape} ({error})") from error
        return np.asarray(output)

    def close(self) -> None:
        """Drop the interpreter."""
        self._interpreter = None

    def __enter__(self) -> LiteRtEngine:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _check_whole(path: Path, model: bytes) -> None:
    """Raises `IntegrityError` for a file that keeps weights in other files, which the manifest does not hash."""
    try:
        outside = has_external_buffers(model)
    except ValueError as error:
        raise IntegrityError(f"{path}: not a TFLite file ({error})", hint="export it again") from error
    if outside:
        raise IntegrityError(
            f"{path}: keeps weights in other files, which no hash of the manifest covers",
            hint="export it again: a model file must hold its weights",
        )


def _interpreter_module() -> ModuleType:
    for name in _MODULES:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise MissingToolError(
        "no LiteRT runtime is installed (looked for ai_edge_litert and tflite_runtime)",
        hint='pip install "ensharpen-edge[tflite]"',
    )


def _plain(name: str) -> str:
    """A tensor's name without the signature that some versions put around it."""
    return name.removeprefix("serving_default_").removesuffix(":0")
