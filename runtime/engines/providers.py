"""ONNX Runtime's execution providers by the device that users name; a new one is one entry of the table.

Names, options and packages are those of ONNX Runtime's documentation of execution providers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ensharpen_edge.errors import UsageError

CPU = "CPUExecutionProvider"


@dataclass(frozen=True)
class Provider:
    """An execution provider.

    Attributes:
        device: The name that users give.
        name: ONNX Runtime's name.
        install: The line that installs an ONNX Runtime with this provider.
        starts: A sentence that says what the provider needs to start.
        selector: The option that chooses among several devices of its kind, or None where there is no choice.
        selections: The values of that option by the lower-case text behind the colon, e.g. `openvino:gpu`. Empty where
            a number is expected, as in `cuda:1`.
        settings: Options that are always set.
        then: Providers that take the operators that it leaves, before the CPU does.
        nvidia: Whether it needs NVIDIA's driver.
        memory_pattern: Whether it allows memory to be planned ahead; DirectML does not.
        reentrant: Whether a session of it may run several batches at once.
    """

    device: str
    name: str
    install: str
    starts: str
    selector: str | None = None
    selections: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    then: tuple[str, ...] = ()
    nvidia: bool = False
    memory_pattern: bool = True
    reentrant: bool = True


PROVIDERS: tuple[Provider, ...] = (
    Provider("cpu", CPU, "pip install onnxruntime", "It needs nothing else."),
    Provider(
        "cuda",
        "CUDAExecutionProvider",
        "pip install onnxruntime-gpu",
        "It needs NVIDIA's driver, CUDA and cuDNN.",
        selector="device_id",
        nvidia=True,
    ),
    Provider(
        "tensorrt",
        "TensorrtExecutionProvider",
        "pip install onnxruntime-gpu tensorrt",
        "It needs NVIDIA's driver, CUDA, cuDNN and TensorRT.",
        selector="device_id",
        then=("CUDAExecutionProvider",),
        nvidia=True,
    ),
    Provider(
        "coreml",
        "CoreMLExecutionProvider",
        "pip install onnxruntime",
        "It needs macOS 12 or later; only wheels for macOS have it.",
        settings={"ModelFormat": "MLProgram"},
        reentrant=False,
    ),
    Provider(
        "directml",
        "DmlExecutionProvider",
        "pip install onnxruntime-directml",
        "It needs Windows 10 (1903) or later and a GPU with DirectX 12.",
        selector="device_id",
        memory_pattern=False,
        reentrant=False,
    ),
    Provider(
        "openvino",
        "OpenVINOExecutionProvider",
        "pip install onnxruntime-openvino",
        "It needs the libraries of OpenVINO, and Intel's drivers for a GPU or an NPU.",
        selector="device_type",
        selections={"cpu": "CPU", "gpu": "GPU", "gpu.0": "GPU.0", "gpu.1": "GPU.1", "npu": "NPU"},
        reentrant=False,
    ),
    Provider(
        "qnn",
        "QNNExecutionProvider",
        "pip install onnxruntime-qnn",
        "It needs Windows on Arm or Linux on a Snapdragon, and Qualcomm's drivers.",
        selector="backend_type",
        selections={"htp": "htp", "gpu": "gpu", "cpu": "cpu"},
        settings={"backend_type": "htp"},
        reentrant=False,
    ),
    Provider(
        "rocm",
        "ROCMExecutionProvider",
        "pip install onnxruntime-rocm",
        "It needs AMD's driver and ROCm.",
        selector="device_id",
    ),
    Provider(
        "migraphx",
        "MIGraphXExecutionProvider",
        "pip install onnxruntime-migraphx",
        "It needs AMD's driver, ROCm and MIGraphX.",
        selector="device_id",
        reentrant=False,
    ),
)


def find_provider(device: str) -> tuple[Provider, dict[str, str]]:
    """Return the provider of a device, and its options.

    Args:
        device: A name of the table, e.g. `cuda`, with a selection where it has one: `cuda:1`, `openvino:npu`.

    Raises:
        UsageError: An unknown device, or a selection that it does not have.
    """
    kind, colon, selection = device.partition(":")
    known = {provider.device: provider for provider in PROVIDERS}
    if kind not in known:
        raise UsageError(f"onnxruntime: unknown device {device!r}", hint=f"known: {', '.join(known)}")
    provider = known[kind]
    settings = dict(provider.settings)
    if not colon:
        return provider, settings
    if provider.selector is None:
        raise UsageError(f"onnxruntime: unknown device {device!r}", hint=f"there is one {kind} only: say {kind!r}")
    if provider.selections:
        if selection.lower() not in provider.selections:
            choices = ", ".join(f"{kind}:{name}" for name in provider.selections)
            raise UsageError(f"onnxruntime: unknown device {device!r}", hint=f"known: {kind}, {choices}")
        settings[provider.selector] = provider.selections[selection.lower()]
    elif selection.isascii() and selection.isdigit() and len(selection) < 4:
        settings[provider.selector] = str(int(selection))
    else:
        raise UsageError(f"onnxruntime: unknown device {device!r}", hint=f"number it, as in {kind}:1")
    return provider, settings
