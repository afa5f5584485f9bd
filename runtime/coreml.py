"""Core ML backend: Apple's on macOS; elsewhere a slow interpreter that shows what a package computes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ensharpen_edge.artifact import FLOAT_DTYPE, Artifact
from ensharpen_edge.errors import IntegrityError, UsageError, require
from ensharpen_edge.runtime.engine import F32, Batch
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


class CoremlEngine:
    """Runs a `.mlpackage` artifact.

    Args:
        artifact: A verified artifact with target `coreml`.
        device: On macOS `cpu`, `gpu`, `ane` or `all` of Core ML; elsewhere `cpu` is the interpreter.
        threads: Ignored.

    Attributes:
        device: `interpreter`, or on macOS the units that Core ML may use; which of them it uses it does not say.

    Raises:
        MissingToolError: coremltools is not installed.
        IntegrityError: A damaged package, one that reads other files than the manifest's, or one with other tensors
            than its manifest says.
        UsageError: Unknown device.
    """

    def __init__(self, artifact: Artifact, device: str = "cpu", threads: int = 0) -> None:
        known = (*(_UNITS if sys.platform == "darwin" else ("cpu",)), INTERPRETER)
        if device not in known:
            raise UsageError(f"coreml: unknown device {device!r} here", hint=f"known: {', '.join(known)}")
        path, io = artifact.model_path.parent, artifact.manifest.io
        self._pixels = io.dtype != FLOAT_DTYPE
        check_package_files(artifact)
        program = MilProgram(path)
        if (program.is_image, program.gives_image) != (self._pixels, self._pixels):
            found = ["images" if image else "arrays" for image in (program.is_image, program.gives_image)]
            raise IntegrityError(
                f"{path}: takes {found[0]} and returns {found[1]}, the manifest says {io.dtype}",
                hint="export it again",
            )
        self._program: _Program = program
        names = [self._program.input, self._program.output]
        if names != [io.input_name, io.output_name]:
            raise IntegrityError(f"{path}: has tensors {names}, the manifest says {[io.input_name, io.output_name]}")
        self.device = INTERPRETER
        if sys.platform == "darwin" and device != INTERPRETER:
            self.device = device
            self._program = _AppleProgram(path, _UNITS[device], self._program, self._pixels)

    def run(self, batch: Batch) -> Batch:
        """See `Engine.run`."""
        if not self._program.accepts(tuple(batch.shape)):
            raise UsageError(f"the package takes {self._program.shape} by default, and not {tuple(batch.shape)}")
        output = self._program.run(np.asarray(batch, dtype=np.float32))
        if not self._pixels:
            return output
        return np.asarray(np.clip(np.rint(output), 0, 255), dtype=np.uint8)

    def close(self) -> None:
        """Nothing is held."""

    def __enter__(self) -> CoremlEngine:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class _AppleProgram:
    """The same by Core ML itself."""

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
