"""Devices that this machine can compute on. Nothing that could crash is loaded: another process asks the driver."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass

from ensharpen_edge.installed_modules import InstalledModule, find_modules
from ensharpen_edge.processor_cores import usable_cores
from ensharpen_edge.runtime.jetson_kit.driver import Gpu, find_gpu
from ensharpen_edge.runtime.jetson_kit.faults import DeviceError

_MODULES = ("onnxruntime", "ai_edge_litert", "tflite_runtime", "coremltools", "tensorrt", "torch")


@dataclass(frozen=True)
class Device:
    """One way to run artifacts, or to train.

    Attributes:
        name: Name of the device and what is run on it.
        ready: Whether it can be used here.
        state: Distributions that drive it; or why it cannot be used, and what to do.
    """

    name: str
    ready: bool
    state: str


def check_devices(find: Callable[[], Gpu] = find_gpu, system: str | None = None) -> list[Device]:
    """Return every backend's device on this machine; a backend counts when its module can be imported.

    Args:
        find: Function that returns the NVIDIA driver's first GPU; raises `DeviceError`.
        system: Operating system as `platform.system` names it; this machine's by default.
    """
    try:
        gpu, reason = find(), ""
    except DeviceError as error:
        gpu, reason = None, str(error)
    modules = find_modules(_MODULES)
    return [
        _cpu("CPU, ONNX", "onnxruntime", modules["onnxruntime"]),
        _cpu("CPU, TFLite", "ai-edge-litert", modules["ai_edge_litert"], modules["tflite_runtime"]),
        _coreml(system or platform.system(), modules["coremltools"]),
        _tensorrt(gpu, reason, modules["tensorrt"]),
        _cuda_training(gpu, reason, modules["torch"]),
    ]


def _cpu(name: str, package: str, *modules: InstalledModule) -> Device:
    """Return the processor with the first module that is there; `package` is what to install without any."""
    found = next((module for module in modules if module.importable), None)
    if found is None:
        return Device(name, False, f"{package} is not installed")
    return Device(name, True, f"{_described(found)}, {usable_cores()} cores")


def _coreml(system: str, module: InstalledModule) -> Device:
    if system != "Darwin":
        state = f"runs on macOS and iOS; on {system} packages are made and judged, not run"
        return Device("Core ML", False, state)
    return Device("Core ML", module.importable, _described(module))


def _tensorrt(gpu: Gpu | None, reason: str, module: InstalledModule) -> Device:
    if gpu is None:
        return Device("TensorRT", False, f"{reason}; the kit of graphs is made here, engines are built on the device")
    described = f"{gpu.name}, compute capability {gpu.capability}"
    if not module.importable:
        return Device(
            "TensorRT",
            False,
            f"{described}: the Python package tensorrt is not installed (JetPack brings it: make the environment with "
            "--system-site-packages; elsewhere: pip install tensorrt)",
        )
    return Device("TensorRT", True, f"{described}, {_described(module)}")


def _cuda_training(gpu: Gpu | None, reason: str, module: InstalledModule) -> Device:
    name = "CUDA, training"
    if gpu is None:
        return Device(name, False, f"{reason}; ensharpen-train uses the CPU")
    if not module.importable:
        return Device(name, False, "torch is not installed")
    if any(provider.version.endswith("+cpu") for provider in module.providers):
        return Device(name, False, f"{module} was built without CUDA")
    return Device(name, True, f"{gpu.name}, {_described(module)}")


def _described(module: InstalledModule) -> str:
    """Return who brings a module, or that nobody does."""
    if not module.importable:
        return f"{module.name} is not installed"
    return module.conflict or str(module)
