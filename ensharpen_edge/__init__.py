"""EnSharpen Edge: sharpening networks from training to the device, proven at each step to still sharpen.

    import ensharpen_edge as ee

    ee.export("nano", "onnx", "fp32", out="build")
    with ee.load("build/nano-onnx-fp32") as sharpener:
        sharpener.sharpen("photo.jpg").save("sharp.png")

The names below are loaded when they are first used, so that importing the package costs nothing; see `docs/api.md`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ensharpen_edge import _checkout
from ensharpen_edge._version import __version__

if TYPE_CHECKING:
    from ensharpen_edge.api import (
        Artifact,
        EnsharpenError,
        ExitCode,
        benchmark,
        bundle,
        calibrate,
        export,
        load,
        shipped_models,
        targets,
        train,
    )

__all__ = [
    "Artifact",
    "EnsharpenError",
    "ExitCode",
    "__version__",
    "benchmark",
    "bundle",
    "calibrate",
    "export",
    "load",
    "shipped_models",
    "targets",
    "train",
]

_checkout.find_stages()


def __getattr__(name: str) -> Any:  # noqa: ANN401 (PEP 562)
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "export":  # the package of that name, which can be called
        return import_module("ensharpen_edge.export")
    return getattr(import_module("ensharpen_edge.api"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
