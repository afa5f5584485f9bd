"""TensorRT backend: engines that a kit built on this device."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator, Mapping
from typing import Any

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.errors import (
    BadInputError,
    EnsharpenError,
    IntegrityError,
    MissingToolError,
    ParityError,
    UsageError,
)
from ensharpen_edge.runtime.engines.base import Batch, Engine, unknown_device
from ensharpen_edge.runtime.jetson_kit import faults
from ensharpen_edge.runtime.jetson_kit.build import logger
from ensharpen_edge.runtime.jetson_kit.driver import Gpu, find_gpu
from ensharpen_edge.runtime.jetson_kit.memory_choice import open_memory
from ensharpen_edge.runtime.jetson_kit.session import Session

_ERRORS: dict[int, type[EnsharpenError]] = {
    faults.USAGE: UsageError,
    faults.MISSING: MissingToolError,
    faults.PARITY: ParityError,
    faults.INTEGRITY: IntegrityError,
    faults.BAD_INPUT: BadInputError,
}

_READ_AS = {"float16": "float32"}
"""Types of an engine's image that the session converts from and to the manifest's."""


class TensorRtEngine(Engine):
    """Runs an engine on the GPU that it was built for.

    `device` is `cuda`; `cpu`, the default of all engines, is the GPU as well, for an engine runs nowhere else. The
    option `cuda_backend` chooses how CUDA is reached, see `jetson_kit.memory_choice`; the provider is the one that was
    found. pycuda's context belongs to the thread that opened the engine.
    """

    name = "tensorrt"
    title = "TensorRT"
    formats = frozenset({"trt-engine"})
    needs = "on a Jetson: sudo apt install python3-libnvinfer; elsewhere: pip install tensorrt"
    distributions = ("tensorrt", "tensorrt-rtx")
    takes_threads = False
    options = frozenset({"cuda_backend"})
    device = "cuda"
    _session: Session | None = None

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        """Return `cuda` where TensorRT is installed and NVIDIA's driver sees a GPU."""
        if importlib.util.find_spec("tensorrt") is None:
            return ()
        try:
            find_gpu()
        except faults.DeviceError:
            return ()
        return ("cuda",)

    @classmethod
    def _check_device(cls, device: str) -> None:
        if device not in ("cpu", "cuda"):
            raise unknown_device(cls, device, ("cuda",))

    def _load(self, artifact: Artifact, device: str, threads: int, options: Mapping[str, str]) -> None:
        with _device_errors():
            gpu = find_gpu()  # before anything of TensorRT is loaded: without a driver it may crash
            try:
                import tensorrt
            except ImportError as error:
                raise MissingToolError(f"tensorrt is not installed ({error})", hint=self.needs) from error
            check_origin(artifact, gpu, str(tensorrt.__version__))
            memory = open_memory(options.get("cuda_backend", "auto"))
            self.provider = memory.name
            session = self._session = Session(
                tensorrt,
                artifact.read_model(),
                memory,
                logger(tensorrt, lambda _text: None),
                shared=gpu.integrated,
                dla=artifact.manifest.graph.get("dla"),
            )
        dtype = _READ_AS.get(session.dtype.name, session.dtype.name)
        self._check_tensors([session.input, session.output], [dtype, dtype])

    def _run(self, batch: Batch) -> Batch:
        session: Any = self._session
        with _device_errors():
            output: Batch = session.run(batch)
        return output

    def _release(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()


def check_origin(artifact: Artifact, gpu: Gpu, tensorrt: str) -> None:
    """Refuse an engine of another TensorRT or another GPU before it is deserialized.

    Raises:
        IntegrityError: With what differs, and how to build it again.
    """
    graph = artifact.manifest.graph
    for name, stated, here in (
        ("TensorRT", graph.get("tensorrt"), tensorrt),
        ("compute capability", graph.get("compute_capability"), gpu.capability),
        ("the GPU", graph.get("gpu"), gpu.name),
    ):
        if stated != here:
            raise IntegrityError(
                f"{artifact.path}: built for {name} {stated}, here is {here}",
                hint=f"in the kit: {graph.get('rebuild', 'python3 build_engine.py')}",
            )


@contextlib.contextmanager
def _device_errors() -> Iterator[None]:
    """Raise the device's errors as ours; a `MemoryError` is translated by the base class."""
    try:
        yield
    except faults.DeviceError as error:
        raise _ERRORS[error.code](str(error), hint=error.hint) from error
