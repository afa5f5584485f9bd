"""Which way to CUDA is taken: the implementations of `DeviceMemory` by name, in order of preference."""

from __future__ import annotations

from collections.abc import Callable

from .faults import MISSING, USAGE, DeviceError
from .memory import DeviceMemory
from .memory_bindings import open_bindings
from .memory_cudart import open_cudart
from .memory_pycuda import open_pycuda


def open_memory(name: str = "auto") -> DeviceMemory:
    """Return an implementation by name; `auto` takes the first that is installed.

    Raises:
        DeviceError: The name is unknown, or that package is not installed.
    """
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
