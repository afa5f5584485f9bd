"""Is there a GPU with a driver? Asked in a process of its own: some TensorRT versions crash where there is none."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

from .faults import MISSING, DeviceError

_MAJOR, _MINOR, _INTEGRATED = 75, 76, 18
"""`CUdevice_attribute`: compute capability, and whether CPU and GPU share their memory."""

_PROBE = """
import ctypes, json, sys
try:
    cuda = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
except OSError as error:
    print(json.dumps({"reason": "no NVIDIA driver (%s)" % error}))
    sys.exit()
code = cuda.cuInit(0)
if code:
    print(json.dumps({"reason": "the NVIDIA driver does not start (cuInit returned %d)" % code}))
    sys.exit()
number = ctypes.c_int()
cuda.cuDeviceGetCount(ctypes.byref(number))
if not number.value:
    print(json.dumps({"reason": "the NVIDIA driver sees no GPU"}))
    sys.exit()
device, name, version = ctypes.c_int(), ctypes.create_string_buffer(256), ctypes.c_int()
cuda.cuDeviceGet(ctypes.byref(device), 0)
cuda.cuDeviceGetName(name, 256, device)
cuda.cuDriverGetVersion(ctypes.byref(version))
def attribute(index):
    value = ctypes.c_int()
    cuda.cuDeviceGetAttribute(ctypes.byref(value), index, device)
    return value.value
print(json.dumps({"name": name.value.decode(), "major": attribute(MAJOR), "minor": attribute(MINOR),
                  "integrated": bool(attribute(INTEGRATED)), "cuda": version.value}))
"""


@dataclass(frozen=True)
class Gpu:
    """The first GPU.

    Attributes:
        name: The driver's name for it.
        major, minor: The compute capability.
        integrated: Whether it shares its memory with the CPU, as on a Jetson.
        cuda: The version of CUDA that the driver supports, e.g. 12060.
    """

    name: str
    major: int
    minor: int
    integrated: bool
    cuda: int

    @property
    def capability(self) -> str:
        """The compute capability, e.g. `8.7`."""
        return f"{self.major}.{self.minor}"


def find_gpu() -> Gpu:
    """Return the first GPU.

    Raises:
        DeviceError: No driver, or no GPU; nothing of CUDA was loaded into this process.
    """
    code = _PROBE.replace("MAJOR", str(_MAJOR)).replace("MINOR", str(_MINOR)).replace("INTEGRATED", str(_INTEGRATED))
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    try:
        answer = json.loads(done.stdout.decode().strip().splitlines()[-1])
    except (IndexError, ValueError) as error:
        raise DeviceError(MISSING, f"the NVIDIA driver crashed when asked (code {done.returncode})") from error
    if "reason" in answer:
        raise DeviceError(MISSING, answer["reason"], "run this on the device that the engine is for")
    return Gpu(**answer)
