"""Device memory through pycuda, in the primary context: another one would break torch or TensorRT beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .faults import MISSING, USAGE, DeviceError


class PycudaMemory:
    """See `DeviceMemory`. It records no graphs.

    Args:
        driver: The module `pycuda.driver`, with the primary context made current.
    """

    name = "pycuda"

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self._allocated: dict[int, Any] = {}
        self._streams: dict[int, Any] = {}

    def allocate(self, size: int) -> int:
        try:
            made = self._driver.mem_alloc(max(size, 1))
        except self._driver.MemoryError as error:
            raise MemoryError("out of device memory (mem_alloc)") from error
        self._allocated[int(made)] = made
        return int(made)

    def free(self, address: int) -> None:
        made = self._allocated.pop(address, None)
        if made is not None:
            made.free()

    def pinned(self, size: int) -> Any:
        return self._driver.pagelocked_empty(max(size, 1), "uint8")

    def mapped(self, size: int) -> tuple[Any, int]:
        flags = self._driver.host_alloc_flags.DEVICEMAP
        array = self._driver.pagelocked_empty(max(size, 1), "uint8", mem_flags=flags)
        return array, int(array.base.get_device_pointer())

    def unpin(self, array: Any) -> None:
        """pycuda's arrays free their pages when nobody holds them any more."""

    def upload(self, address: int, array: Any, stream: int) -> None:
        self._driver.memcpy_htod_async(address, array, self._streams[stream])

    def download(self, array: Any, address: int, stream: int) -> None:
        self._driver.memcpy_dtoh_async(array, address, self._streams[stream])

    def stream(self) -> int:
        made = self._driver.Stream()
        self._streams[int(made.handle)] = made
        return int(made.handle)

    def synchronize(self, stream: int) -> None:
        self._streams[stream].synchronize()

    def capture(self, stream: int, work: Callable[[], None]) -> int:
        raise DeviceError(USAGE, "pycuda records no CUDA graphs", "--cuda-backend cudart")

    def launch(self, graph: int, stream: int) -> None:
        raise DeviceError(USAGE, "pycuda launches no CUDA graphs", "--cuda-backend cudart")

    def discard(self, graph: int) -> None:
        raise DeviceError(USAGE, "pycuda has no CUDA graphs", "--cuda-backend cudart")

    def close(self) -> None:
        for address in list(self._allocated):
            self.free(address)


def open_pycuda() -> PycudaMemory:
    """pycuda in the primary context.

    Raises:
        DeviceError: Not installed, or no driver.
    """
    try:
        import pycuda.autoprimaryctx
        import pycuda.driver
    except Exception as error:  # a missing driver shows as ImportError, or as pycuda's own LogicError
        raise DeviceError(MISSING, f"pycuda does not work ({error})", "pip install pycuda") from error
    return PycudaMemory(pycuda.driver)
