"""Device memory through NVIDIA's `cuda-python`, 12.6 and later."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from .faults import MISSING, DeviceError
from .memory import address_of, check


class BindingsMemory:
    """See `DeviceMemory`.

    Args:
        cudart: The module `cuda.bindings.runtime`.
    """

    name = "cuda.bindings"

    def __init__(self, cudart: Any) -> None:
        self._cudart = cudart
        self._allocated: set[int] = set()
        self._pinned: list[int] = []

    def _call(self, function: str, *arguments: Any) -> Any:
        code, *values = getattr(self._cudart, function)(*arguments)
        check(int(code), function)
        return values[0] if values else None

    def allocate(self, size: int) -> int:
        address = int(self._call("cudaMalloc", max(size, 1)))
        self._allocated.add(address)
        return address

    def free(self, address: int) -> None:
        if address in self._allocated:
            self._allocated.discard(address)
            self._call("cudaFree", address)

    def pinned(self, size: int) -> Any:
        address = int(self._call("cudaHostAlloc", max(size, 1), 0))
        self._pinned.append(address)
        return np.ctypeslib.as_array((ctypes.c_uint8 * max(size, 1)).from_address(address))

    def mapped(self, size: int) -> tuple[Any, int]:
        pointer = int(self._call("cudaHostAlloc", max(size, 1), self._cudart.cudaHostAllocMapped))
        self._pinned.append(pointer)
        array = np.ctypeslib.as_array((ctypes.c_uint8 * max(size, 1)).from_address(pointer))
        return array, int(self._call("cudaHostGetDevicePointer", pointer, 0))

    def unpin(self, array: Any) -> None:
        address = address_of(array)
        if address in self._pinned:
            self._pinned.remove(address)
            self._call("cudaFreeHost", address)

    def upload(self, address: int, array: Any, stream: int) -> None:
        kind = self._cudart.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._call("cudaMemcpyAsync", address, address_of(array), array.nbytes, kind, stream)

    def download(self, array: Any, address: int, stream: int) -> None:
        kind = self._cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._call("cudaMemcpyAsync", address_of(array), address, array.nbytes, kind, stream)

    def stream(self) -> int:
        return int(self._call("cudaStreamCreate"))

    def synchronize(self, stream: int) -> None:
        self._call("cudaStreamSynchronize", stream)

    def capture(self, stream: int, work: Callable[[], None]) -> int:
        mode = self._cudart.cudaStreamCaptureMode.cudaStreamCaptureModeRelaxed
        self._call("cudaStreamBeginCapture", stream, mode)
        try:
            work()
        finally:
            graph = self._call("cudaStreamEndCapture", stream)
        try:
            return int(self._call("cudaGraphInstantiate", graph, 0))
        finally:
            self._call("cudaGraphDestroy", graph)

    def launch(self, graph: int, stream: int) -> None:
        self._call("cudaGraphLaunch", graph, stream)

    def discard(self, graph: int) -> None:
        self._call("cudaGraphExecDestroy", graph)

    def close(self) -> None:
        for address in list(self._allocated):
            self.free(address)
        for address in self._pinned:
            self._call("cudaFreeHost", address)
        self._pinned = []


def open_bindings() -> BindingsMemory:
    """The bindings, where they are installed and a driver answers.

    Raises:
        DeviceError: Not installed, or no driver.
    """
    try:
        from cuda.bindings import runtime
    except ImportError as error:
        raise DeviceError(MISSING, f"cuda.bindings is not installed ({error})", "pip install cuda-python") from error
    code, _ = runtime.cudaGetDeviceCount()
    if int(code):
        raise DeviceError(MISSING, f"cuda.bindings finds no GPU (CUDA error {int(code)})")
    return BindingsMemory(runtime)
