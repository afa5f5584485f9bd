"""OpenVINO backend: Intel's runtime, for its CPUs, GPUs and NPUs."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.errors import MissingToolError, UsageError, require
from ensharpen_edge.runtime.engines.base import Batch, Engine, unknown_device
from ensharpen_edge.runtime.whole_onnx import read_whole_onnx

if TYPE_CHECKING:
    import openvino

KINDS = ("cpu", "gpu", "npu")
"""Kinds of devices; several of one kind are numbered, such as `gpu.1`."""


class OpenVinoEngine(Engine):
    """Runs a `.onnx` file, or a graph in OpenVINO's own format with the weights beside it.

    `device` is `cpu`, or `gpu` or `npu`, with a number where there are several. Arithmetic stays in single precision
    where the file's is: OpenVINO would choose half precision or bfloat16 by itself on hardware that has them.
    """

    name = "openvino"
    title = "OpenVINO"
    formats = frozenset({"onnx", "openvino-ir"})
    needs = 'pip install "ensharpen-edge[openvino]"'
    distributions = ("openvino",)
    takes_threads = True
    _request: Any = None

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        """Return the devices that OpenVINO finds on this machine."""
        if importlib.util.find_spec("openvino") is None:
            return ()
        return tuple(device.lower() for device in _core().available_devices)

    @classmethod
    def _check_device(cls, device: str) -> None:
        if not re.fullmatch(rf"({'|'.join(KINDS)})(\.[0-9]+)?", device):
            raise unknown_device(cls, device, KINDS)

    def _load(self, artifact: Artifact, device: str, threads: int, options: Mapping[str, str]) -> None:
        core = _core()
        found = [name.lower() for name in core.available_devices]
        if device not in found:
            raise MissingToolError(
                f"OpenVINO finds no {device} here (it finds {', '.join(found)})",
                hint=f"--device {found[0]}, or install the driver of the device" if found else self.needs,
            )
        model = core.read_model(*_content(artifact))
        nodes = (*model.inputs, *model.outputs)
        self._check_tensors(
            [node.get_any_name() for node in nodes],
            [np.dtype(node.get_element_type().to_dtype()).name for node in nodes],
        )
        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        if device.startswith("cpu"):
            settings["INFERENCE_NUM_THREADS"] = threads
        self._request = core.compile_model(model, device.upper(), settings).create_infer_request()
        self.device, self.provider = device, f"OpenVINO {version('openvino')}"

    def _run(self, batch: Batch) -> Batch:
        request = self._request
        if request is None:
            raise UsageError(f"{self.name}: this engine is closed", hint="open the artifact again")
        (output,) = request.infer([batch]).values()
        return np.array(output)

    def _release(self) -> None:
        self._request = None


@cache
def _core() -> openvino.Core:
    """Return the one OpenVINO core of this process, which lives as long as the process does.

    A core moves the stack on which signals are handled, and the last one to be released puts back what it found. With
    two cores that is a stack that is gone: the next Ctrl-C is a segmentation fault (OpenVINO 2026.4).
    """
    core: openvino.Core = require("openvino", "openvino").Core()
    return core


def _content(artifact: Artifact) -> tuple[bytes, ...]:
    """Return the bytes of the graph and, where they are another file, those of the weights; all of them are hashed."""
    if artifact.manifest.traits.format == "onnx":
        return (read_whole_onnx(artifact),)
    weights = str(PurePosixPath(artifact.manifest.model_file).with_suffix(".bin"))
    return artifact.read_model(), artifact.read(weights)
