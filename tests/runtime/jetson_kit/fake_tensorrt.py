"""A `tensorrt` module and device memory that compute on the CPU: the engine's bytes say what it does."""

from __future__ import annotations

import enum
import json
from types import SimpleNamespace

import numpy as np


class FakeMemory:
    """Addresses are numbers; memory is a dictionary of arrays."""

    name = "fake"

    def __init__(self, limit=1 << 40, records=True):
        self.blocks, self.limit, self.records = {}, limit, records
        self.next, self.log = 1000, []
        self.pages, self.graphs = [], 0
        self.closed = False

    def allocate(self, size):
        if size > self.limit:
            raise MemoryError("out of device memory (fake)")
        self.next += 1
        self.blocks[self.next] = np.zeros(size, np.uint8)
        return self.next

    def free(self, address):
        del self.blocks[address]

    def pinned(self, size):
        self.pages.append(np.zeros(size, np.uint8))
        return self.pages[-1]

    def mapped(self, size):
        self.next += 1
        self.blocks[self.next] = np.zeros(size, np.uint8)
        self.pages.append(self.blocks[self.next])
        return self.blocks[self.next], self.next

    def unpin(self, array):
        self.pages = [page for page in self.pages if page is not array]

    def upload(self, address, array, stream):
        self.log.append("upload")
        self.blocks[address][: array.nbytes] = np.frombuffer(array.tobytes(), np.uint8)

    def download(self, array, address, stream):
        self.log.append("download")
        array[...] = self.blocks[address][: array.nbytes].view(array.dtype).reshape(array.shape)

    def stream(self):
        return 7

    def synchronize(self, stream):
        assert stream == 7
        self.log.append("synchronize")

    def capture(self, stream, work):
        from ensharpen_edge.runtime.jetson_kit.faults import DeviceError

        if not self.records:
            raise DeviceError(2, "records nothing")
        self.recorded = work
        self.graphs += 1
        return 99

    def discard(self, graph):
        assert graph == 99
        self.graphs -= 1

    def launch(self, graph, stream):
        assert graph == 99
        self.log.append("launch")
        self.recorded()

    def close(self):
        self.closed = True


class Mode(enum.Enum):
    INPUT = 0
    OUTPUT = 1


def fake_tensorrt(memory, version="10.3.0"):
    """The part of the module that sessions use."""

    class Context:
        def __init__(self, spec):
            self.spec, self.shape, self.addresses = spec, None, {}

        def set_input_shape(self, name, shape):
            assert name == "image"
            self.shape = shape
            return True

        def get_tensor_shape(self, name):
            return self.shape

        def set_tensor_address(self, name, address):
            self.addresses[name] = address

        def execute_async_v3(self, stream):
            if self.spec.get("fails"):
                return False
            dtype = np.dtype(self.spec["dtype"])
            count = int(np.prod(self.shape))
            source = memory.blocks[self.addresses["image"]][: count * dtype.itemsize].view(dtype)
            result = (source * self.spec["gain"]).astype(dtype)
            memory.blocks[self.addresses["sharp"]][: result.nbytes] = result.view(np.uint8)
            return True

    class Engine:
        num_io_tensors = 2

        def __init__(self, spec):
            self.spec = spec

        def get_tensor_name(self, index):
            return ("image", "sharp")[index]

        def get_tensor_mode(self, name):
            return Mode.INPUT if name == "image" else Mode.OUTPUT

        def get_tensor_dtype(self, name):
            return self.spec["dtype"]

        def get_tensor_profile_shape(self, name, profile):
            return [tuple(shape) for shape in self.spec["shapes"]]

        def create_execution_context(self):
            return Context(self.spec)

        def create_engine_inspector(self):
            layers = [{"LayerType": "Reformat", "Outputs": [{"Format/Datatype": "Row major linear FP16"}]},
                      {"LayerType": "Conv", "Outputs": [{"Format/Datatype": "Int8"}]}]  # fmt: skip
            return SimpleNamespace(get_engine_information=lambda form: json.dumps({"Layers": layers}))

    class Runtime:
        def __init__(self, log):
            self.log = log
            self.DLA_core = -1

        def deserialize_cuda_engine(self, content):
            try:
                return Engine(json.loads(content))
            except ValueError:
                self.log.errors.append("magic tag does not match")
                return None

    return SimpleNamespace(
        __version__=version,
        Runtime=Runtime,
        TensorIOMode=Mode,
        DataType=SimpleNamespace(FLOAT="float32", HALF="float16", UINT8="uint8"),
        LayerInformationFormat=SimpleNamespace(JSON="json"),
    )


def engine_bytes(gain=0.5, dtype="float32", largest=(1, 3, 64, 64), **more):
    shapes = [(1, 3, 8, 8), (1, 3, 32, 32), largest]
    return json.dumps({"gain": gain, "dtype": dtype, "shapes": shapes, **more}).encode()
