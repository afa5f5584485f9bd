"""LiteRT (TFLite) backend: `ai_edge_litert`, or `tflite_runtime` where only that is installed."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.errors import IntegrityError, MissingToolError
from ensharpen_edge.runtime.engines.base import Batch, Engine, unknown_device
from ensharpen_edge.runtime.tflite_external_buffers import has_external_buffers

_MODULES = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter")


class LiteRtEngine(Engine):
    """Runs a `.tflite` file with XNNPACK, on the CPU: no delegate for another device is ever loaded.

    Its provider is the package that was found.
    """

    name = "litert"
    title = "LiteRT"
    formats = frozenset({"tflite"})
    needs = 'pip install "ensharpen-edge[tflite]"'
    distributions = ("ai-edge-litert", "tflite-runtime")
    takes_threads = True
    _interpreter: Any

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        """Return `cpu` where one of the two packages is installed."""
        try:
            _interpreter_module()
        except MissingToolError:
            return ()
        return ("cpu",)

    @classmethod
    def _check_device(cls, device: str) -> None:
        if device != "cpu":
            raise unknown_device(cls, device, ("cpu",))

    def _load(self, artifact: Artifact, device: str, threads: int, options: Mapping[str, str]) -> None:
        module = _interpreter_module()
        self.device, self.provider = device, module.__name__.split(".")[0]
        model = artifact.read_model()
        _check_whole(self._file, model)
        self._interpreter = module.Interpreter(model_content=model, num_threads=threads)
        (source,) = self._interpreter.get_input_details()
        (target,) = self._interpreter.get_output_details()
        self._check_tensors(
            [_plain(tensor["name"]) for tensor in (source, target)],
            [np.dtype(tensor["dtype"]).name for tensor in (source, target)],
        )
        self._source, self._target = source["index"], target["index"]
        self._shape: tuple[int, ...] | None = None

    def _run(self, batch: Batch) -> Batch:
        if batch.shape != self._shape:
            self._shape = None
            self._interpreter.resize_tensor_input(self._source, batch.shape, strict=True)
            self._interpreter.allocate_tensors()
            self._shape = batch.shape
        self._interpreter.set_tensor(self._source, batch)
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._target))

    def _release(self) -> None:
        self._interpreter = None


def _check_whole(path: Path, model: bytes) -> None:
    """Raise `IntegrityError` for a file that keeps weights in other files, which the manifest does not hash."""
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
        "no LiteRT runtime is installed (looked for ai_edge_litert and tflite_runtime)", hint=LiteRtEngine.needs
    )


def _plain(name: str) -> str:
    """Return a tensor's name without the signature that some versions put around it."""
    return name.removeprefix("serving_default_").removesuffix(":0")
