"""Core ML backend: Apple's on macOS; elsewhere a slow interpreter that shows what a package computes."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ensharpen_edge.arrays import F32
from ensharpen_edge.artifact import Artifact
from ensharpen_edge.artifact_manifest import FLOAT_DTYPE
from ensharpen_edge.errors import IntegrityError, UsageError, require
from ensharpen_edge.runtime.engines.base import Batch, Engine
from ensharpen_edge.runtime.mil.package_files import check_package_files
from ensharpen_edge.runtime.mil.program import MilProgram

INTERPRETER = "interpreter"
"""Device that is the same everywhere: what exports are judged with."""

_UNITS = {"cpu": "CPU_ONLY", "gpu": "CPU_AND_GPU", "ane": "CPU_AND_NE", "all": "ALL"}


class _Program(Protocol):
    input: str
    output: str
    shape: tuple[int, ...]

    def accepts(self, shape: tuple[int, ...]) -> bool: ...

    def run(self, image: F32) -> F32: ...


class CoremlEngine(Engine):
    """Runs a `.mlpackage`.

    On macOS `cpu`, `gpu`, `ane` and `all` are the units that Core ML may use; which of them it uses it does not say.
    Elsewhere `cpu` is the interpreter, which is slow and shows what a package computes.
    """

    name = "coreml"
    title = "Core ML"
    formats = frozenset({"mlpackage"})
    needs = 'pip install "ensharpen-edge[coreml]"'
    distributions = ("coremltools",)
    takes_threads = False

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        """Return Core ML's units on macOS, and the interpreter, where coremltools is installed."""
        return _known() if importlib.util.find_spec("coremltools") else ()

    @classmethod
    def _check_device(cls, device: str) -> None:
        if device not in _known():
            raise UsageError(f"coreml: unknown device {device!r} here", hint=f"known: {', '.join(_known())}")

    def _load(self, artifact: Artifact, device: str, threads: int, options: Mapping[str, str]) -> None:
        path = artifact.model_path.parent
        self._pixels = self._io.dtype != FLOAT_DTYPE
        check_package_files(artifact)
        program = MilProgram(path)
        if (program.is_image, program.gives_image) != (self._pixels, self._pixels):
            found = ["images" if image else "arrays" for image in (program.is_image, program.gives_image)]
            raise IntegrityError(
                f"{path}: takes {found[0]} and returns {found[1]}, the manifest says {self._io.dtype}",
                hint="export it again",
            )
        # Pictures are of 8 bits, arrays are of floats: the type is compared above.
        self._check_tensors([program.input, program.output], [self._io.dtype] * 2)
        self._program: _Program | None = program
        if sys.platform == "darwin" and device != INTERPRETER:
            self.device, self.provider = device, "Core ML"
            self._program = _AppleProgram(path, _UNITS[device], program, self._pixels)
        else:
            self.device, self.provider, self.is_reference = INTERPRETER, "MIL interpreter", True

    def _run(self, batch: Batch) -> Batch:
        program = self._program
        assert program is not None, "an open engine has a program"
        if not program.accepts(tuple(batch.shape)):
            raise UsageError(f"the package takes {program.shape} by default, and not {tuple(batch.shape)}")
        output = program.run(np.asarray(batch, dtype=np.float32))
        return np.clip(np.rint(output), 0, 255) if self._pixels else output

    def _release(self) -> None:
        self._program = None


class _AppleProgram:
    """The same program, run by Core ML itself."""

    def __init__(self, path: Path, units: str, program: _Program, pixels: bool) -> None:
        ct = require("coremltools", "coreml")
        self.input, self.output, self.shape = program.input, program.output, program.shape
        self.accepts = program.accepts
        self._pixels = pixels
        self._path = path
        try:
            self._model: Any = ct.models.MLModel(str(path), compute_units=getattr(ct.ComputeUnit, units))
        except Exception as error:  # coremltools passes on whatever Core ML raises
            raise self._refused(error) from error

    def run(self, image: F32) -> F32:
        try:
            if not self._pixels:
                return np.asarray(self._model.predict({self.input: image})[self.output], dtype=np.float32)
            from PIL import Image

            picture = Image.fromarray(image[0].transpose(1, 2, 0).astype(np.uint8))
            sharp = self._model.predict({self.input: picture})[self.output].convert("RGB")
        except Exception as error:
            raise self._refused(error) from error
        return np.asarray(sharp, dtype=np.float32).transpose(2, 0, 1)[None]

    def _refused(self, error: Exception) -> UsageError:
        return UsageError(
            f"{self._path}: Core ML on this Mac does not run it ({error})",
            hint="the manifest's graph.deployment says which system it needs; --device interpreter runs it everywhere",
        )


def _known() -> tuple[str, ...]:
    return (*(_UNITS if sys.platform == "darwin" else ("cpu",)), INTERPRETER)
