"""Memory of the device, streams and graphs, behind one small protocol with several implementations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from .faults import MISSING, USAGE, DeviceError

OUT_OF_MEMORY = 2
"""`cudaErrorMemoryAllocation`."""


class DeviceMemory(Protocol):
    """What running an engine needs of CUDA. Addresses, streams and graphs are plain integers."""

    name: str

    def allocate(self, size: int) -> int:
        """Bytes of device memory."""
        ...

    def free(self, address: int) -> None: ...

    def pinned(self, size: int) -> Any:
        """uint8 array of page-locked host memory."""
        ...

    def mapped(self, size: int) -> tuple[Any, int]:
        """The same, and its address on a device that shares its memory with the CPU: nothing needs to be copied."""
        ...

    def unpin(self, array: Any) -> None:
        """Give back what `pinned` or `mapped` made; the array must not be used any more."""
        ...

    def upload(self, address: int, array: Any, stream: int) -> None:
        """Copy to the device, in the stream's order."""
        ...

    def download(self, array: Any, address: int, stream: int) -> None:
        """Copy from the device, in the stream's order."""
        ...

    def stream(self) -> int: ...

    def synchronize(self, stream: int) -> None: ...

    def capture(self, stream: int, work: Callable[[], None]) -> int:
        """Record what `work` puts into the stream, as a graph that can be launched again."""
        ...

    def launch(self, graph: int, stream: int) -> None: ...

    def discard(self, graph: int) -> None:
        """Give back a recorded graph."""
        ...

    def close(self) -> None:
        """Free what is left."""
        ...


def open_memory(name: str = "auto") -> DeviceMemory:
    """An implementation by name; `auto` takes the first that is installed.

    Raises:
        DeviceError: Unknown, or not installed.
    """
    from .memory_bindings import open_bindings
    from .memory_cudart import open_cudart
    from .memory_pycuda import open_pycuda

    known: dict[str, Callable[[], DeviceMemory]] = {
        "cuda.bindings": open_bindings,
        "cudart": open_cudart,
        "pycuda": open_pycuda,
    }
    if name != "auto":
        if name not in known:
            raise DeviceError(USAGE, f"unknown CUDA backend {name!r}, known: auto, {', '.join(known)}")
        return known[name]()
    reasons = []
    for opened in known.values():
        try:
            return opened()
        except DeviceError as error:
            reasons.append(str(error))
    raise DeviceError(MISSING, "no CUDA backend works: " + "; ".join(reasons), "pip install cuda-python")


def check(code: int, what: str) -> None:
    """Raises `DeviceError` for an error code of the CUDA runtime."""
    if code == OUT_OF_MEMORY:
        raise MemoryError(f"out of device memory ({what})")
    if code:
        raise DeviceError(MISSING, f"CUDA error {code} ({what})")


def address_of(array: Any) -> int:
    """Of a numpy array's first byte."""
    return int(np.asarray(array).ctypes.data)
