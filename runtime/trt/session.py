"""Running an engine: named tensors, asynchronous copies, and a CUDA graph where the size is fixed."""

from __future__ import annotations

from typing import Any

import numpy as np

from .faults import INTEGRITY, USAGE, DeviceError
from .memory import DeviceMemory


class Session:
    """An engine with its buffers. `run` may be called again and again; buffers grow when a shape does.

    Args:
        trt: The module `tensorrt`.
        engine: Serialized; whether it is for this device was checked before.
        memory: See `DeviceMemory`.
        log: A TensorRT logger with `errors`.
        graphs: Record the launches of a shape and launch them as one.
        shared: The device shares its memory with the CPU, as a Jetson does: images are not copied.

    Raises:
        DeviceError: TensorRT cannot load the engine.
    """

    def __init__(
        self, trt: Any, engine: bytes, memory: DeviceMemory, log: Any, graphs: bool = True, shared: bool = False
    ) -> None:
        self._trt, self._memory, self._log = trt, memory, log
        self._runtime = trt.Runtime(log)
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
        self.dtype = np.dtype(trt.nptype(self._engine.get_tensor_dtype(self.input)))
        self._stream = memory.stream()
        self._device: dict[str, tuple[int, int]] = {}
        self._host: dict[str, Any] = {}
        self._shape: tuple[int, ...] | None = None
        self._graphs, self._graph, self._shared = graphs, 0, shared

    @property
    def profile(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Smallest, usual and largest shape of the image."""
        smallest, usual, largest = (tuple(shape) for shape in self._engine.get_tensor_profile_shape(self.input, 0))
        return smallest, usual, largest

    def run(self, batch: Any) -> Any:
        """One batch of the engine's dtype, through page-locked buffers.

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
        self._shape, self._graph = None, 0
        if not self._context.set_input_shape(self.input, shape):
            raise DeviceError(USAGE, f"the engine does not take shape {shape}")
        for name in (self.input, self.output):
            wanted = tuple(self._context.get_tensor_shape(name))
            dtype = np.dtype(self._trt.nptype(self._engine.get_tensor_dtype(name)))
            size = int(np.prod(wanted)) * dtype.itemsize
            if self._shared:
                host, address = self._memory.mapped(size)
                self._context.set_tensor_address(name, address)
                self._host[name] = host[:size].view(dtype).reshape(wanted)
                continue
            address, capacity = self._device.get(name, (0, 0))
            if size > capacity:
                if address:
                    self._memory.free(address)
                address, capacity = self._memory.allocate(size), size
                self._device[name] = (address, capacity)
            self._context.set_tensor_address(name, address)
            self._host[name] = self._memory.pinned(size)[:size].view(dtype).reshape(wanted)
        self._shape = shape
        if self._graphs:
            self._record()

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
        """The inspector's JSON of this engine."""
        inspector = self._engine.create_engine_inspector()
        return str(inspector.get_engine_information(self._trt.LayerInformationFormat.JSON))

    def close(self) -> None:
        """Release everything."""
        self._context = self._engine = self._runtime = None
        self._memory.close()
