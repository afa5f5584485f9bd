"""An engine runs where it was asked to, says where that is, and never goes elsewhere quietly."""

from __future__ import annotations

import json
from types import SimpleNamespace

import onnxruntime
import pytest

from ensharpen_edge.errors import IntegrityError, MissingToolError, UsageError
from ensharpen_edge.runtime import onnxruntime_session
from ensharpen_edge.runtime.onnxruntime_session import open_session
from ensharpen_edge.runtime.registry import open_engine
from ensharpen_edge.runtime.self_ensemble import SelfEnsemble
from ensharpen_edge.runtime.tensorrt import TensorRtEngine
from ensharpen_edge.runtime.trt.driver import Gpu
from ensharpen_edge.runtime.trt.faults import MISSING, DeviceError

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
    assert not list((tmp_path / "out").iterdir())


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
        if CUDA in providers:
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
            onnxruntime_engine(copied, device)


def onnxruntime_engine(artifact, device):
    from ensharpen_edge.runtime.onnxruntime import OnnxRuntimeEngine

    return OnnxRuntimeEngine(artifact, device)


def test_a_session_that_has_cuda_is_on_it(artifact, listed, monkeypatch):
    """A stand-in: there is no GPU to be asked."""
    names = [artifact.manifest.io.input_name, artifact.manifest.io.output_name]
    inputs, outputs = ([SimpleNamespace(name=name)] for name in names)
    started = SimpleNamespace(get_providers=lambda: [CUDA, CPU], get_inputs=lambda: inputs, get_outputs=lambda: outputs)
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *_arguments, **_options: started)
    with open_engine(artifact, "cuda") as engine:
        assert engine.device == "cuda"


def test_the_report_names_the_device(command, artifact, photo_folder, tmp_path):
    for views in (1, 2):
        done = command(
            "ensharpen-run", artifact.path, photo_folder / "raft.png", "-o", tmp_path / str(views), "--json",
            "--self-ensemble", views,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["device"] == "cpu"


def test_tensorrt_engines_run_on_the_gpu_whatever_the_default_is_called():
    assert TensorRtEngine.device == "cuda"


def test_other_backends_refuse_other_devices(artifact):
    from ensharpen_edge.runtime.coreml import CoremlEngine
    from ensharpen_edge.runtime.litert import LiteRtEngine

    for engine, device in (
        (LiteRtEngine, "cuda"),
        (LiteRtEngine, "gpu"),
        (CoremlEngine, "cuda"),
        (TensorRtEngine, "gpu"),
    ):
        with pytest.raises(UsageError, match="unknown device"):
            engine(artifact, device)
