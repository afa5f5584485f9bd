"""TensorRT backend: engines that a kit built on this device."""

from __future__ import annotations

import numpy as np

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.errors import (
    BadInputError,
    EnsharpenError,
    IntegrityError,
    MissingToolError,
    OutOfMemoryError,
    ParityError,
    UsageError,
)
from ensharpen_edge.runtime.engine import Batch
from ensharpen_edge.runtime.trt import faults
from ensharpen_edge.runtime.trt.build import logger
from ensharpen_edge.runtime.trt.driver import Gpu, find_gpu
from ensharpen_edge.runtime.trt.memory import open_memory
from ensharpen_edge.runtime.trt.session import Session

_ERRORS: dict[int, type[EnsharpenError]] = {
    faults.USAGE: UsageError,
    faults.MISSING: MissingToolError,
    faults.PARITY: ParityError,
    faults.INTEGRITY: IntegrityError,
    faults.BAD_INPUT: BadInputError,
}


class TensorRtEngine:
    """Runs an engine artifact. `run` raises `OutOfMemoryError` when the device has no room for a window.

    Args:
        artifact: A verified artifact with target `trt`.
        device: `cuda`, or `cuda:BACKEND` for one of `trt.memory`'s ways to CUDA; `cpu`, the default of all backends, is
            the GPU as well.
        threads: Ignored.

    Attributes:
        device: `cuda`: engines run nowhere else.

    Raises:
        MissingToolError: No driver, no TensorRT, no CUDA package.
        IntegrityError: Built by another TensorRT or for another GPU: it must be built again.
        UsageError: Unknown device.
    """

    device = "cuda"

    def __init__(self, artifact: Artifact, device: str = "cuda", threads: int = 0) -> None:
        kind, _, backend = device.partition(":")
        if kind not in ("cpu", "cuda"):
            raise UsageError(f"tensorrt: unknown device {device!r}", hint="known: cuda, cuda:BACKEND")
        try:
            gpu = find_gpu()  # before anything of TensorRT is loaded: without a driver it may crash
            try:
                import tensorrt
            except ImportError as error:
                raise MissingToolError(
                    f"tensorrt is not installed ({error})",
                    hint="on a Jetson: sudo apt install python3-libnvinfer; elsewhere: pip install tensorrt",
                ) from error
            check_origin(artifact, gpu, str(tensorrt.__version__))
            self._session = Session(
                tensorrt,
                artifact.read_model(),
                open_memory(backend or "auto"),
                logger(tensorrt, lambda _text: None),
                shared=gpu.integrated,
                dla=artifact.manifest.graph.get("dla"),
            )
        except faults.DeviceError as error:
            raise _translated(error) from error
        except MemoryError as error:
            raise OutOfMemoryError(str(error)) from error

    def run(self, batch: Batch) -> Batch:
        """See `Engine.run`."""
        try:
            return np.asarray(self._session.run(batch))
        except faults.DeviceError as error:
            raise _translated(error) from error
        except MemoryError as error:
            raise OutOfMemoryError(f"not enough device memory for a window of {batch.shape}") from error

    def close(self) -> None:
        """Release device memory."""
        self._session.close()

    def __enter__(self) -> TensorRtEngine:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


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


def _translated(error: faults.DeviceError) -> EnsharpenError:
    return _ERRORS[error.code](str(error), hint=error.hint)
