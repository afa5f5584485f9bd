"""An engine runs where it was asked to, says where that is, and never goes elsewhere quietly."""

from __future__ import annotations

import json
from types import SimpleNamespace

import onnxruntime
import pytest

from ensharpen_edge.errors import IntegrityError, MissingToolError, UsageError
from ensharpen_edge.runtime.engines import onnxruntime_session
from ensharpen_edge.runtime.engines.coreml import CoremlEngine
from ensharpen_edge.runtime.engines.litert import LiteRtEngine
from ensharpen_edge.runtime.engines.onnxruntime import OnnxRuntimeEngine
from ensharpen_edge.runtime.engines.onnxruntime_session import open_session
from ensharpen_edge.runtime.engines.providers import PROVIDERS, find_provider
from ensharpen_edge.runtime.engines.registry import open_engine
from ensharpen_edge.runtime.engines.tensorrt import TensorRtEngine
from ensharpen_edge.runtime.jetson_kit.driver import Gpu
from ensharpen_edge.runtime.jetson_kit.faults import MISSING, DeviceError
from ensharpen_edge.runtime.self_ensemble import SelfEnsemble

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"

without_cuda = pytest.mark.skipif(CUDA in onnxruntime.get_available_providers(), reason="this onnxruntime has CUDA")


def no_gpu() -> Gpu:
    raise DeviceError(MISSING, "no NVIDIA driver (libcuda.so.1: cannot open)")


@pytest.fixture
def listed(monkeypatch):
    """CUDA is in the list, as onnxruntime-gpu has it on every machine; sessions are real, and get the CPU."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])


def test_the_cpu_is_the_cpu(artifact):
    with open_engine(artifact, "cpu") as engine:
        assert engine.device == "cpu"
        assert engine.provider == CPU
        assert engine._session.get_providers() == [CPU]
        averaged = SelfEnsemble(engine, artifact.manifest.io, artifact.manifest.shape, 2)
        assert averaged.device == "cpu"


@without_cuda
def test_a_package_without_cuda(command, artifact, photo_folder, tmp_path):
    with pytest.raises(MissingToolError, match=f"no {CUDA} here") as error:
        open_engine(artifact, "cuda")
    assert error.value.hint == "pip install onnxruntime-gpu"
    done = command(
        "ensharpen-run", artifact.path, photo_folder / "raft.png", "-o", tmp_path / "out", "--device", "cuda"
    )
    assert done.returncode == 3
    assert "pip install onnxruntime-gpu" in done.stderr
    assert not (tmp_path / "out").exists(), "the engine is opened before the folder is made"


@without_cuda
@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_listed_provider_that_does_not_start_is_missing(artifact, listed, monkeypatch):
    assert onnxruntime.InferenceSession(artifact.read_model(), providers=[CUDA]).get_providers() == [CPU], "the trap"
    monkeypatch.setattr(onnxruntime_session, "find_gpu", no_gpu)
    with pytest.raises(MissingToolError, match=rf"no NVIDIA driver .*the session runs on {CPU}") as error:
        open_engine(artifact, "cuda")
    assert error.value.exit_code == 3
    assert "nvidia-smi" in str(error.value.hint)
    monkeypatch.setattr(onnxruntime_session, "find_gpu", lambda: Gpu("RTX 3050", 8, 6, False, 12060))
    with pytest.raises(
        MissingToolError, match=r"does not start on RTX 3050: the libraries of CUDA .* or of cuDNN"
    ) as e:
        open_engine(artifact, "cuda")
    assert 'pip install "onnxruntime-gpu[cuda,cudnn]"' in str(e.value.hint)


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_listed_provider_that_fails_is_missing_and_a_damaged_model_is_damaged(artifact, listed, monkeypatch):
    monkeypatch.setattr(onnxruntime_session, "find_gpu", no_gpu)
    session = onnxruntime.InferenceSession

    def fail(model, options, providers, **settings):
        if CUDA in providers:  # without a number
            assert settings == {"enable_fallback": 0}, "neither now nor when a window fails"
            raise RuntimeError("CUDA failure 100: no CUDA-capable device is detected")
        return session(model, options, providers=providers)

    monkeypatch.setattr(onnxruntime, "InferenceSession", fail)
    with pytest.raises(MissingToolError, match="CUDA failure 100"):
        open_engine(artifact, "cuda")
    with pytest.raises(Exception, match="protobuf parsing failed") as error:
        open_session(onnxruntime, b"\x3a\x01", None, "cuda")
    assert not isinstance(error.value, MissingToolError)
    copied = SimpleNamespace(
        manifest=artifact.manifest, model_path=artifact.model_path, read_model=lambda: b"\x08\x08\x3a\x02\x0a\x00"
    )
    for device in ("cpu", "cuda"):
        with pytest.raises(IntegrityError, match="cannot load it"):
            OnnxRuntimeEngine(copied, device)


def test_a_session_that_has_cuda_is_on_it(artifact, listed, monkeypatch):
    """A stand-in: there is no GPU to be asked. The number of the device reaches the provider."""
    asked = []
    names = [artifact.manifest.io.input_name, artifact.manifest.io.output_name]
    inputs, outputs = ([SimpleNamespace(name=name, type="tensor(float)")] for name in names)
    started = SimpleNamespace(get_providers=lambda: [CUDA, CPU], get_inputs=lambda: inputs, get_outputs=lambda: outputs)
    monkeypatch.setattr(
        onnxruntime, "InferenceSession", lambda *_a, providers, **_o: asked.append(providers) or started
    )
    with open_engine(artifact, "cuda:1") as engine:
        assert (engine.device, engine.provider, engine.is_reference) == ("cuda:1", CUDA, False)
    assert asked == [[(CUDA, {"device_id": "1"})]]


def test_the_report_names_the_device(command, artifact, photo_folder, tmp_path):
    for views in (1, 2):
        done = command(
            "ensharpen-run", artifact.path, photo_folder / "raft.png", "-o", tmp_path / str(views), "--json",
            "--self-ensemble", views,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert report["device"] == "cpu"
        assert (report["engine"], report["provider"], report["is_reference"]) == ("onnxruntime", CPU, False)


def test_tensorrt_engines_run_on_the_gpu_whatever_the_default_is_called():
    assert TensorRtEngine.device == "cuda"


def test_other_backends_refuse_other_devices(artifact):
    for engine, device in (
        (LiteRtEngine, "cuda"),
        (LiteRtEngine, "gpu"),
        (CoremlEngine, "cuda"),
        (TensorRtEngine, "gpu"),
    ):
        with pytest.raises(UsageError, match="unknown device"):
            engine(artifact, device)


@pytest.mark.parametrize(
    ("device", "name", "settings"),
    [
        ("cpu", CPU, {}),
        ("cuda", CUDA, {}),
        ("cuda:1", CUDA, {"device_id": "1"}),
        ("tensorrt:2", "TensorrtExecutionProvider", {"device_id": "2"}),
        ("directml:0", "DmlExecutionProvider", {"device_id": "0"}),
        ("openvino:NPU", "OpenVINOExecutionProvider", {"device_type": "NPU"}),
        ("qnn", "QNNExecutionProvider", {"backend_type": "htp"}),
        ("qnn:gpu", "QNNExecutionProvider", {"backend_type": "gpu"}),
        ("coreml", "CoreMLExecutionProvider", {"ModelFormat": "MLProgram"}),
    ],
)
def test_devices_name_providers_and_their_options(device, name, settings):
    provider, found = find_provider(device)
    assert (provider.name, found) == (name, settings)


@pytest.mark.parametrize("device", ["", "CUDA", "cpu:0", "cuda:", "cuda:first", "cuda:-1", "openvino:tpu", "coreml:1"])
def test_devices_that_are_none(artifact, device):
    with pytest.raises(UsageError, match="unknown device"):
        open_engine(artifact, device)


def test_every_provider_that_this_package_lacks_is_missing_with_its_install_line(artifact):
    installed = OnnxRuntimeEngine.devices()
    assert "cpu" in installed
    for provider in PROVIDERS:
        if provider.device not in installed:
            with pytest.raises(MissingToolError, match=f"no {provider.name} here") as error:
                open_engine(artifact, provider.device)
            assert error.value.hint == provider.install
            assert error.value.hint.startswith("pip install onnxruntime")


def test_another_provider_that_does_not_start_says_what_it_needs(artifact, monkeypatch):
    openvino, _ = find_provider("openvino")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [openvino.name, CPU])
    with pytest.warns(UserWarning, match="Specified provider"), pytest.raises(MissingToolError) as error:
        open_engine(artifact, "openvino")
    assert f"the session runs on {CPU}" in str(error.value)
    assert openvino.starts in str(error.value.hint)
