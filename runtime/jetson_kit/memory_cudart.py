"""Device memory through ctypes on NVIDIA's runtime library: no package at all, so it works on every JetPack."""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Callable
from typing import Any

import numpy as np

from .faults import MISSING, DeviceError
from .memory import address_of, check

NAMES = ("libcudart.so", "libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0", "cudart64_12.dll")
_TO_DEVICE, _TO_HOST = 1, 2
_CAPTURE_RELAXED = 2
_MAPPED = 2
"""`cudaHostAllocMapped`."""


class CudartMemory:
    """See `DeviceMemory`.

    Args:
        library: The loaded runtime library.
    """

    name = "cudart"

    def __init__(self, library: Any) -> None:
        self._library = library
        self._allocated: set[int] = set()
        self._pinned: list[int] = []

    def _call(self, function: str, *arguments: Any) -> None:
        check(int(getattr(self._library, function)(*arguments)), function)

    def allocate(self, size: int) -> int:
        pointer = ctypes.c_void_p()
        self._call("cudaMalloc", ctypes.byref(pointer), ctypes.c_size_t(max(size, 1)))
        self._allocated.add(int(pointer.value or 0))
        return int(pointer.value or 0)

    def free(self, address: int) -> None:
        if address in self._allocated:
            self._allocated.discard(address)
            self._call("cudaFree", ctypes.c_void_p(address))

    def pinned(self, size: int) -> Any:
        pointer = ctypes.c_void_p()
        self._call("cudaHostAlloc", ctypes.byref(pointer), ctypes.c_size_t(max(size, 1)), ctypes.c_uint(0))
        self._pinned.append(int(pointer.value or 0))
        return np.ctypeslib.as_array((ctypes.c_uint8 * max(size, 1)).from_address(int(pointer.value or 0)))

    def mapped(self, size: int) -> tuple[Any, int]:
        pointer, address = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cudaHostAlloc", ctypes.byref(pointer), ctypes.c_size_t(max(size, 1)), ctypes.c_uint(_MAPPED))
        self._pinned.append(int(pointer.value or 0))
        self._call("cudaHostGetDevicePointer", ctypes.byref(address), pointer, ctypes.c_uint(0))
        array = np.ctypeslib.as_array((ctypes.c_uint8 * max(size, 1)).from_address(int(pointer.value or 0)))
        return array, int(address.value or 0)

    def unpin(self, array: Any) -> None:
        address = address_of(array)
        if address in self._pinned:
            self._pinned.remove(address)
            self._call("cudaFreeHost", ctypes.c_void_p(address))

    def upload(self, address: int, array: Any, stream: int) -> None:
        self._copy(address, address_of(array), array.nbytes, _TO_DEVICE, stream)

    def download(self, array: Any, address: int, stream: int) -> None:
        self._copy(address_of(array), address, array.nbytes, _TO_HOST, stream)

    def _copy(self, target: int, source: int, size: int, kind: int, stream: int) -> None:
        self._call(
            "cudaMemcpyAsync",
            ctypes.c_void_p(target),
            ctypes.c_void_p(source),
            ctypes.c_size_t(size),
            ctypes.c_int(kind),
            ctypes.c_void_p(stream),
        )

    def stream(self) -> int:
        handle = ctypes.c_void_p()
        self._call("cudaStreamCreate", ctypes.byref(handle))
        return int(handle.value or 0)

    def synchronize(self, stream: int) -> None:
        self._call("cudaStreamSynchronize", ctypes.c_void_p(stream))

    def capture(self, stream: int, work: Callable[[], None]) -> int:
        self._call("cudaStreamBeginCapture", ctypes.c_void_p(stream), ctypes.c_int(_CAPTURE_RELAXED))
        graph, executable = ctypes.c_void_p(), ctypes.c_void_p()
        try:
            work()
        finally:
            self._call("cudaStreamEndCapture", ctypes.c_void_p(stream), ctypes.byref(graph))
        # CUDA 11's function has two more arguments; later ones ignore what is in their registers.
        try:
            self._call(
                "cudaGraphInstantiate", ctypes.byref(executable), graph, ctypes.c_ulonglong(0), None, ctypes.c_size_t(0)
            )
        finally:
            self._call("cudaGraphDestroy", graph)
        return int(executable.value or 0)

    def launch(self, graph: int, stream: int) -> None:
        self._call("cudaGraphLaunch", ctypes.c_void_p(graph), ctypes.c_void_p(stream))

    def discard(self, graph: int) -> None:
        self._call("cudaGraphExecDestroy", ctypes.c_void_p(graph))

    def close(self) -> None:
        for address in list(self._allocated):
            self.free(address)
        for address in self._pinned:
            self._call("cudaFreeHost", ctypes.c_void_p(address))
        self._pinned = []


def open_cudart() -> CudartMemory:
    """The first runtime library that loads.

    Raises:
        DeviceError: None does.
    """
    found = ctypes.util.find_library("cudart")
    for name in (*NAMES, *([found] if found else [])):
        try:
            return CudartMemory(ctypes.CDLL(name))
        except OSError:
            continue
    raise DeviceError(MISSING, f"no CUDA runtime library (looked for {', '.join(NAMES)})")
