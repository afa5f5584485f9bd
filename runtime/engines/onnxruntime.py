"""ONNX Runtime backend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.errors import MissingToolError, require
from ensharpen_edge.runtime.engines.base import Batch, Engine
from ensharpen_edge.runtime.engines.onnxruntime_session import open_session
from ensharpen_edge.runtime.engines.providers import PROVIDERS, find_provider
from ensharpen_edge.runtime.whole_onnx import read_whole_onnx

_SAFE_WEIGHT = 64
"""Larger int8 weights saturate in the 16-bit sums of x86 processors without VNNI, unless slower kernels are used."""

_DTYPES = {"tensor(float)": "float32", "tensor(uint8)": "uint8", "tensor(int8)": "int8"}


class OnnxRuntimeEngine(Engine):
    """Runs a `.onnx` file, on the CPU or by any execution provider that the installed package has.

    `device` is a name of `providers.PROVIDERS`, with a selection where it has one: `cuda:1`, `openvino:npu`. ONNX
    Runtime's way of going on without that device, on the CPU, is a `MissingToolError` here.
    """

    name = "onnxruntime"
    title = "onnxruntime"
    formats = frozenset({"onnx"})
    needs = 'pip install "ensharpen-edge[onnx]"'
    distributions = (
        "onnxruntime",
        "onnxruntime-gpu",
        "onnxruntime-openvino",
        "onnxruntime-directml",
        "onnxruntime-qnn",
    )
    takes_threads = True
    _session: Any

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        """Return the devices whose providers the installed package has; whether one starts shows when it is used."""
        try:
            available = require("onnxruntime", "onnx").get_available_providers()
        except MissingToolError:
            return ()
        return tuple(provider.device for provider in PROVIDERS if provider.name in available)

    @classmethod
    def _check_device(cls, device: str) -> None:
        find_provider(device)

    def _load(self, artifact: Artifact, device: str, threads: int, options: Mapping[str, str]) -> None:
        ort = require("onnxruntime", "onnx")
        settings = ort.SessionOptions()
        settings.intra_op_num_threads = threads
        settings.inter_op_num_threads = 1
        settings.log_severity_level = 3
        if artifact.manifest.quantization.get("largest_weight", 0) > _SAFE_WEIGHT:
            settings.add_session_config_entry("session.x64quantprecision", "1")
        self._session = open_session(ort, read_whole_onnx(artifact), settings, device)
        provider, _ = find_provider(device)
        self.device, self.provider, self.reentrant = device, provider.name, provider.reentrant
        nodes = (*self._session.get_inputs(), *self._session.get_outputs())
        self._check_tensors([node.name for node in nodes], [_DTYPES.get(node.type, node.type) for node in nodes])

    def _run(self, batch: Batch) -> Batch:
        (output,) = self._session.run([self._io.output_name], {self._io.input_name: batch})
        return np.asarray(output)

    def _release(self) -> None:
        self._session = None
