"""What this machine can compute on. Nothing that could crash is loaded: another process asks the NVIDIA driver."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass

from ensharpen_edge.benchmarks.machine import installed_version, usable_cores
from ensharpen_edge.runtime.trt.driver import Gpu, find_gpu
from ensharpen_edge.runtime.trt.faults import DeviceError


@dataclass(frozen=True)
class Device:
    """One way to run artifacts, or to train.

    Attributes:
        name: What it is.
        ready: Whether it can be used here.
        state: With what; or why not, and what to do.
    """

    name: str
    ready: bool
    state: str


def check_devices(find: Callable[[], Gpu] = find_gpu, system: str = platform.system()) -> list[Device]:
    """Every backend's device on this machine.

    Args:
        find: The NVIDIA driver's first GPU; raises `DeviceError`.
        system: As `platform.system` names it.
    """
    try:
        gpu, reason = find(), ""
    except DeviceError as error:
        gpu, reason = None, str(error)
    return [
        _cpu("CPU, ONNX", "onnxruntime"),
        _cpu("CPU, TFLite", "ai-edge-litert", "tflite-runtime"),
        _coreml(system),
        _tensorrt(gpu, reason),
        _cuda_training(gpu, reason),
    ]


def _version(*names: str) -> str | None:
    """Of the first distribution that is installed, with its name."""
    return next((f"{name} {version}" for name in names if (version := installed_version(name))), None)


def _cpu(name: str, *packages: str) -> Device:
    found = _version(*packages)
    if found is None:
        return Device(name, False, f"{packages[0]} is not installed")
    return Device(name, True, f"{found}, {usable_cores()} cores")


def _coreml(system: str) -> Device:
    if system != "Darwin":
        return Device("Core ML", False, f"runs on macOS and iOS; on {system} packages are made and judged, not run")
    found = _version("coremltools")
    return Device("Core ML", found is not None, found or "coremltools is not installed")


def _tensorrt(gpu: Gpu | None, reason: str) -> Device:
    if gpu is None:
        return Device("TensorRT", False, f"{reason}; the kit of graphs is made here, engines are built on the device")
    found = _version("tensorrt", "tensorrt-cu13", "tensorrt-cu12")
    described = f"{gpu.name}, compute capability {gpu.capability}"
    if found is None:
        return Device(
            "TensorRT",
            False,
            f"{described}: the Python package tensorrt is not installed (JetPack brings it: make the environment with "
            "--system-site-packages; elsewhere: pip install tensorrt)",
        )
    return Device("TensorRT", True, f"{described}, {found}")


def _cuda_training(gpu: Gpu | None, reason: str) -> Device:
    name = "CUDA, training"
    if gpu is None:
        return Device(name, False, f"{reason}; ensharpen-train uses the CPU")
    found = _version("torch")
    if found is None:
        return Device(name, False, "torch is not installed")
    if found.endswith("+cpu"):
        return Device(name, False, f"{found} was built without CUDA")
    return Device(name, True, f"{gpu.name}, {found}")
