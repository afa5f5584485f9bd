"""The genuine `tensorrt` bindings of three generations over an empty library: what our code calls is there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

BINDINGS = {
    "10.3": "tensorrt-cu12-bindings==10.3.0",
    "10.16": "tensorrt-cu12-bindings==10.16.1.11",
    "11.4": "tensorrt-cu13-bindings==11.4.0.106",
}
SYMBOLS = (
    "createInferBuilder_INTERNAL",
    "createInferRefitter_INTERNAL",
    "createInferRuntime_INTERNAL",
    "createNvOnnxParser_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL",
    "getBuilderPluginRegistry",
    "getNvOnnxParserVersion",
    "getPluginRegistry",
    "initLibNvInferPlugins",
)

SCRIPT = """
import json
import tensorrt_bindings as trt
from ensharpen_edge.runtime.jetson_kit.build import BuildOptions, cached_scales, configure, logger, network_flags
from ensharpen_edge.runtime.jetson_kit.faults import DeviceError
from ensharpen_edge.runtime.jetson_kit.graph_choice import attempts, parse_version

version = parse_version(trt.__version__)
said = []
log = logger(trt, said.append)
log.log(trt.ILogger.Severity.WARNING, "careful")
log.log(trt.ILogger.Severity.ERROR, "broken")

class Config:  # remembers what is set, and knows only what the genuine class knows
    def __init__(self):
        object.__setattr__(self, "flags", [])
    def __setattr__(self, name, value):
        assert hasattr(trt.IBuilderConfig, name), name
        object.__setattr__(self, name, value)
    def __getattr__(self, name):
        return getattr(trt.IBuilderConfig, name)
    def set_flag(self, flag):
        assert isinstance(flag, trt.BuilderFlag)
        self.flags.append(flag.name)
    def set_memory_pool_limit(self, pool, size):
        assert isinstance(pool, trt.MemoryPoolType) and size == 1 << 20

shapes = ((1, 3, 8, 8),) * 3
options = BuildOptions(shapes, 1 << 20, 4, dla=0)
result = {"version": list(version), "flags": [], "network": []}
for precision in ("fp32", "fp16", "int8"):
    for attempt in attempts(precision, version):
        config = Config()
        configure(trt, config, attempt, options)
        result["flags"].append(config.flags)
        result["network"].append(network_flags(trt, attempt, version))

if hasattr(trt, "IInt8EntropyCalibrator2"):
    scales = cached_scales(trt, "header\\nimage: 3c010204\\n")
    result["cache"] = scales.read_calibration_cache().decode()

class Monitor(trt.IProgressMonitor):
    def __init__(self):
        trt.IProgressMonitor.__init__(self)
Monitor()
needed = {
    "ICudaEngine": "num_io_tensors get_tensor_name get_tensor_mode get_tensor_dtype get_tensor_profile_shape "
                   "create_execution_context create_engine_inspector",
    "IExecutionContext": "set_input_shape get_tensor_shape set_tensor_address execute_async_v3",
    "Runtime": "deserialize_cuda_engine DLA_core",
    "Builder": "create_network create_builder_config create_optimization_profile build_serialized_network",
    "OnnxParser": "parse num_errors get_error",
    "IBuilderConfig": "add_optimization_profile create_timing_cache set_timing_cache get_timing_cache progress_monitor "
                      "profiling_verbosity default_device_type DLA_core",
    "IOptimizationProfile": "set_shape",
    "EngineInspector": "get_engine_information",
    "INetworkDefinition": "get_input",
}
wanted = [(c, n) for c, names in needed.items() for n in names.split()]
result["missing"] = [f"{c}.{n}" for c, n in wanted if not hasattr(getattr(trt, c), n)]
from ensharpen_edge.runtime.jetson_kit.session import numpy_type
kinds = (trt.DataType.FLOAT, trt.DataType.HALF, trt.DataType.UINT8)
result["numpy"] = [numpy_type(trt, kind).name for kind in kinds]
result["mode"] = trt.TensorIOMode.INPUT.name
result["form"] = trt.LayerInformationFormat.JSON.name
result["log"] = [said, log.errors]
print(json.dumps(result))
"""

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler for the empty library"),
]


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stubs")
    source = folder / "stub.c"
    source.write_text("".join(f"void *{symbol}(void) {{ return 0; }}\n" for symbol in SYMBOLS))
    for major in (10, 11):
        for name in ("libnvinfer", "libnvinfer_plugin", "libnvonnxparser"):
            library = f"{name}.so.{major}"
            subprocess.run(
                ["cc", "-shared", "-fPIC", f"-Wl,-soname,{library}", "-o", folder / library, source], check=True
            )
    return folder


@pytest.mark.parametrize("release", BINDINGS)
def test_every_name_that_is_used_exists(release, libraries, tmp_path):
    target = tmp_path / "bindings"
    installed = subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target), BINDINGS[release]],
        capture_output=True, text=True,
    )  # fmt: skip
    assert installed.returncode == 0, installed.stderr
    environment = {**os.environ, "LD_LIBRARY_PATH": str(libraries), "PYTHONPATH": str(target)}
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["missing"] == []
    assert release.startswith(".".join(map(str, result["version"])))
    assert all(flags == ["GPU_FALLBACK"] for flags in result["flags"])
    assert all(result["network"]), "every network is strongly typed"
    assert result["numpy"] == ["float32", "float16", "uint8"]
    if release == "10.3":
        assert result["cache"] == "TRT-100300-EntropyCalibration2\nimage: 3c010204\n"
    assert ("cache" in result) == (not release.startswith("11"))
    assert result["log"] == [["TensorRT: careful"], ["broken"]]
