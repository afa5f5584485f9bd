"""Memory of the device, streams and graphs: the protocol that the implementations share, and their helpers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from .faults import MISSING, DeviceError

OUT_OF_MEMORY = 2
"""`cudaErrorMemoryAllocation`."""


class DeviceMemory(Protocol):
    """The part of CUDA that running an engine needs. Addresses, streams and graphs are plain integers."""

    name: str

    def allocate(self, size: int) -> int:
        """Return the address of so many bytes of device memory."""
        ...

    def free(self, address: int) -> None: ...

    def pinned(self, size: int) -> Any:
        """Return a uint8 array of page-locked host memory."""
        ...

    def mapped(self, size: int) -> tuple[Any, int]:
        """Return the same, and its address on a device that shares its memory with the CPU: no copy is needed."""
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


def check(code: int, what: str) -> None:
    """Raise `DeviceError`, or `MemoryError`, for an error code of the CUDA runtime."""
    if code == OUT_OF_MEMORY:
        raise MemoryError(f"out of device memory ({what})")
    if code:
        raise DeviceError(MISSING, f"CUDA error {code} ({what})")


def address_of(array: Any) -> int:
    """Return the address of a numpy array's first byte."""
    return int(np.asarray(array).ctypes.data)
