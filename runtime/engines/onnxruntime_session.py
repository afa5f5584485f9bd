"""ONNX Runtime sessions that run where they were asked to, or not at all.

A provider that is in the list of available ones is built in; whether it starts shows when a session is made. Where it
does not, ONNX Runtime makes a session for the CPU and says so in a log at most.
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

from ensharpen_edge.errors import MissingToolError
from ensharpen_edge.runtime.engines.providers import CPU, Provider, find_provider
from ensharpen_edge.runtime.jetson_kit.driver import find_gpu
from ensharpen_edge.runtime.jetson_kit.faults import DeviceError


def open_session(ort: Any, model: bytes, options: Any, device: str) -> Any:  # noqa: ANN401 (onnxruntime is optional)
    """Return a session on a device.

    Args:
        ort: The module `onnxruntime`.
        model: The bytes of an ONNX file.
        options: onnxruntime.SessionOptions.
        device: A device that `find_provider` knows.

    Raises:
        UsageError: An unknown device.
        MissingToolError: The device's provider is not in this package, or does not start.
        Exception: One of ONNX Runtime's own, for a model that it cannot load.
    """
    provider, settings = find_provider(device)
    available = ort.get_available_providers()
    if provider.name not in available:
        raise MissingToolError(
            f"onnxruntime has no {provider.name} here (it has {', '.join(available)})", hint=provider.install
        )
    if provider.nvidia:
        _load_cuda_packages(ort)
    if not provider.memory_pattern:
        options.enable_mem_pattern = False
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    wanted: list[Any] = [(provider.name, settings) if settings else provider.name]
    wanted += [name for name in provider.then if name in available]
    try:
        session = ort.InferenceSession(model, options, providers=wanted, enable_fallback=0)
    except Exception as error:  # onnxruntime raises its own unexported exception classes
        if provider.name == CPU:
            raise
        # A model that the CPU does not take either is no fault of the provider.
        ort.InferenceSession(model, options, providers=[CPU])
        raise _not_started(ort, provider, str(error)) from error
    if provider.name not in session.get_providers():
        raise _not_started(ort, provider, f"the session runs on {', '.join(session.get_providers())}")
    return session


def _load_cuda_packages(ort: Any) -> None:  # noqa: ANN401
    """Load CUDA and cuDNN from their Python packages, where ONNX Runtime does not look by itself.

    What cannot be loaded is printed by ONNX Runtime; the session that is made next shows whether it is needed.
    """
    preload = getattr(ort, "preload_dlls", None)  # from 1.21 on
    if preload is not None:
        with contextlib.redirect_stdout(io.StringIO()):
            preload()


def _not_started(ort: Any, provider: Provider, reason: str) -> MissingToolError:  # noqa: ANN401
    """Return the error for a provider that is built in and does not start: names the driver, or the libraries."""
    if not provider.nvidia:
        return MissingToolError(
            f"{provider.name} does not start ({reason})", hint=f"{provider.starts} Or use --device cpu"
        )
    try:
        gpu = find_gpu()
    except DeviceError as error:
        return MissingToolError(
            f"{provider.name} does not start: {error} ({reason})",
            hint="install NVIDIA's driver, until nvidia-smi lists the GPU; then, where CUDA and cuDNN are missing: "
            'pip install "onnxruntime-gpu[cuda,cudnn]"; or use --device cpu',
        )
    version = getattr(ort, "cuda_version", "") or "of the version it was built for"
    return MissingToolError(
        f"{provider.name} does not start on {gpu.name}: the libraries of CUDA {version} or of cuDNN are missing, or "
        f"are of another version ({reason})",
        hint=f'{provider.starts} pip install "onnxruntime-gpu[cuda,cudnn]", or use --device cpu',
    )
