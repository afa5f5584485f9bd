"""Running an engine: named tensors, asynchronous copies, and a CUDA graph where the size is fixed."""

from __future__ import annotations

from typing import Any

import numpy as np

from .faults import INTEGRITY, USAGE, DeviceError
from .memory import DeviceMemory


def numpy_type(trt: Any, datatype: Any) -> Any:
    """Return numpy's name of a TensorRT type. `trt.nptype` of 8.5 asks numpy for `bool`, which numpy lost with 1.24.

    Raises:
        DeviceError: The type is none that images have.
    """
    for name, known in (("FLOAT", np.float32), ("HALF", np.float16), ("UINT8", np.uint8)):
        if datatype == getattr(trt.DataType, name, None):
            return np.dtype(known)
    raise DeviceError(INTEGRITY, f"the engine's image is of type {datatype}, wanted floats or 8-bit pixels")


class Session:
    """An engine with its buffers. `run` may be called again and again; buffers grow when a shape does.

    Args:
        trt: The module `tensorrt`.
        engine: The serialized engine; the caller has checked that it is for this device.
        memory: See `DeviceMemory`.
        log: A TensorRT logger with `errors`.
        graphs: Record the launches of a shape and launch them as one.
        shared: The device shares its memory with the CPU, as a Jetson does: images are not copied.
        dla: The core of the deep learning accelerator that the engine was built for, or None.

    Raises:
        DeviceError: TensorRT cannot load the engine.
    """

    def __init__(
        self,
        trt: Any,
        engine: bytes,
        memory: DeviceMemory,
        log: Any,
        graphs: bool = True,
        shared: bool = False,
        dla: int | None = None,
    ) -> None:
        self._trt, self._memory, self._log = trt, memory, log
        self._runtime = trt.Runtime(log)
        if dla is not None:
            self._runtime.DLA_core = dla  # what the builder was told is not in the engine
        self._engine = self._runtime.deserialize_cuda_engine(engine)
        if self._engine is None:
            reason = log.errors[-1] if getattr(log, "errors", None) else "no reason given"
            raise DeviceError(INTEGRITY, f"TensorRT cannot load the engine ({reason})", "build it again on this device")
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise MemoryError("out of device memory (execution context)")
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        inputs = [name for name in names if self._engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
        outputs = [name for name in names if name not in inputs]
        if len(inputs) != 1 or len(outputs) != 1:
            raise DeviceError(INTEGRITY, f"the engine has tensors {names}, wanted one image in and one out")
        self.input, self.output = inputs[0], outputs[0]
        self.dtype = numpy_type(trt, self._engine.get_tensor_dtype(self.input))
        self._stream = memory.stream()
        self._device: dict[str, tuple[int, int]] = {}
        self._pages: dict[str, tuple[Any, int]] = {}
        self._host: dict[str, Any] = {}
        self._shape: tuple[int, ...] | None = None
        self._graphs, self._graph, self._shared = graphs, 0, shared

    @property
    def profile(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """The smallest, usual and largest shape of the image."""
        smallest, usual, largest = (tuple(shape) for shape in self._engine.get_tensor_profile_shape(self.input, 0))
        return smallest, usual, largest

    def run(self, batch: Any) -> Any:
        """Run one batch of the engine's dtype, through page-locked buffers.

        Raises:
            DeviceError: A shape outside the profile, or a failed launch.
            MemoryError: The device has no room for it.
        """
        if tuple(batch.shape) != self._shape:
            self._prepare(tuple(batch.shape))
        np.copyto(self._host[self.input], batch)
        if self._graph:
            self._memory.launch(self._graph, self._stream)
        else:
            self._enqueue()
        self._memory.synchronize(self._stream)
        return np.array(self._host[self.output])

    def _prepare(self, shape: tuple[int, ...]) -> None:
        smallest, _, largest = self.profile
        outside = len(shape) != len(smallest) or any(
            not smallest[axis] <= shape[axis] <= largest[axis] for axis in range(len(shape))
        )
        if outside:
            raise DeviceError(
                USAGE, f"the engine takes shapes from {smallest} to {largest}, not {shape}", "use smaller tiles"
            )
        self._shape = None
        self._forget()
        if not self._context.set_input_shape(self.input, shape):
            raise DeviceError(USAGE, f"the engine does not take shape {shape}")
        for name in (self.input, self.output):
            wanted = tuple(self._context.get_tensor_shape(name))
            dtype = numpy_type(self._trt, self._engine.get_tensor_dtype(name))
            size = int(np.prod(wanted)) * dtype.itemsize
            pages, shared_address = self._host_pages(name, size)
            self._context.set_tensor_address(name, shared_address if self._shared else self._on_device(name, size))
            self._host[name] = pages[:size].view(dtype).reshape(wanted)
        self._shape = shape
        if self._graphs:
            self._record()

    def _on_device(self, name: str, size: int) -> int:
        """Return the address of a buffer of at least this size. A smaller one is forgotten before anything can fail."""
        address, capacity = self._device.pop(name, (0, 0))
        if size > capacity:
            if address:
                self._memory.free(address)
            address, capacity = self._memory.allocate(size), size
        self._device[name] = (address, capacity)
        return address

    def _host_pages(self, name: str, size: int) -> tuple[Any, int]:
        """Return host memory that is at least so large, with its address on a device that shares its memory, else 0."""
        held = self._pages.pop(name, None)
        if held is None or len(held[0]) < size:
            self._host.pop(name, None)
            if held is not None:
                self._memory.unpin(held[0])
            held = self._memory.mapped(size) if self._shared else (self._memory.pinned(size), 0)
        self._pages[name] = held
        return held

    def _forget(self) -> None:
        """Give back the recorded graph."""
        graph, self._graph = self._graph, 0
        if graph:
            self._memory.discard(graph)

    def _record(self) -> None:
        """The first launch of a shape sets things up that must not be recorded, so it runs before."""
        self._enqueue()
        self._memory.synchronize(self._stream)
        try:
            self._graph = self._memory.capture(self._stream, self._enqueue)
        except DeviceError:
            self._graphs, self._graph = False, 0

    def _enqueue(self) -> None:
        if not self._shared:
            self._memory.upload(self._device[self.input][0], self._host[self.input], self._stream)
        if not self._context.execute_async_v3(self._stream):
            reason = self._log.errors[-1] if getattr(self._log, "errors", None) else "no reason given"
            raise DeviceError(INTEGRITY, f"the engine did not run ({reason})")
        if not self._shared:
            self._memory.download(self._host[self.output], self._device[self.output][0], self._stream)

    def layers(self) -> str:
        """Return the inspector's JSON of this engine."""
        inspector = self._engine.create_engine_inspector()
        return str(inspector.get_engine_information(self._trt.LayerInformationFormat.JSON))

    def close(self) -> None:
        """Release everything."""
        self._forget()
        self._context = self._engine = self._runtime = None
        self._memory.close()
