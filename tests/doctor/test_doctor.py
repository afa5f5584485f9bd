"""`ensharpen-doctor` says what is missing, and is right about it."""

from __future__ import annotations

import importlib
import json
import re
import sys
from importlib import metadata
from pathlib import Path

import pytest

from ensharpen_edge.doctor import cli, report
from ensharpen_edge.doctor.devices import check_devices
from ensharpen_edge.doctor.extras import PURPOSES, Extra, Shortfall, check_extras, import_name
from ensharpen_edge.errors import MissingToolError, UsageError
from ensharpen_edge.installed_modules import find_modules
from ensharpen_edge.runtime.jetson_kit.driver import Gpu
from ensharpen_edge.runtime.jetson_kit.faults import MISSING, DeviceError

ROOT = Path(__file__).parents[2]
STATED = [
    "numpy>=1.24",
    "old; python_version < '3'",
    'torch>=2.4; extra == "onnx"',
    'onnx>=1.16; extra == "onnx"',
    'tensorrt-rtx>=1.7; sys_platform == "nowhere" and extra == "trt-check"',
    'ensharpen-edge[onnx]; extra == "tflite"',
    'numpy>=2.0; extra == "train"',
]


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Make distributions, as pip leaves them in a folder, the only ones that this Python finds."""

    def install(**versions: str | tuple[str, str]) -> None:
        """Each is its version, or its version and the module that it brings."""
        place = tmp_path / f"site{len(list(tmp_path.iterdir()))}"
        for name, stated in versions.items():
            version, module = (stated, name) if isinstance(stated, str) else stated
            add_distribution(place, name.replace("_", "-"), version, module)
        standard = [entry for entry in sys.path if "site-packages" not in entry and not entry.startswith(str(tmp_path))]
        monkeypatch.setattr(sys, "path", [str(place), *standard])
        importlib.invalidate_caches()

    return install


def add_distribution(place: Path, name: str, version: str, module: str, with_code: bool = True) -> None:
    """Write a module and the metadata of the wheel that brought it."""
    info = place / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "top_level.txt").write_text(f"{module}\n")
    (info / "RECORD").write_text(f"{module}/__init__.py,,\n{info.name}/METADATA,,\n{info.name}/RECORD,,\n")
    if with_code:
        (place / module).mkdir(exist_ok=True)
        (place / module / "__init__.py").write_text("raise ImportError('the doctor imports nothing')\n")


def no_gpu() -> Gpu:
    raise DeviceError(MISSING, "no NVIDIA driver")


def test_every_extra_has_a_purpose():
    block = (ROOT / "pyproject.toml").read_text().split("[project.optional-dependencies]")[1].split("\n[")[0]
    assert set(re.findall(r"^([a-z-]+) = \[", block, re.M)) - {"all", "test"} == set(PURPOSES) - {""}


def test_missing_and_old_packages_are_named_with_the_line_that_brings_them(installed):
    installed(numpy="1.26.4", onnx="1.15.0")
    found = {extra.name: extra for extra in check_extras(STATED)}
    assert list(found) == list(PURPOSES)
    assert found[""].ready, "what another Python or system would need is not missing here"
    assert found["onnx"].shortfalls == (Shortfall("torch>=2.4", None), Shortfall("onnx>=1.16", "1.15.0"))
    assert [str(shortfall) for shortfall in found["onnx"].shortfalls] == ["torch>=2.4", "onnx>=1.16 (there is 1.15.0)"]
    assert found["onnx"].install == 'pip install "ensharpen-edge[onnx]"'
    assert found["trt-check"].ready
    assert found["train"].shortfalls == (Shortfall("numpy>=2.0", "1.26.4"),)


def test_a_package_alone_that_is_incomplete(installed):
    installed()
    (alone, *_) = check_extras(STATED)
    assert alone.shortfalls == (Shortfall("numpy>=1.24", None),)
    assert alone.install == "pip install ensharpen-edge"


def test_what_the_tests_need_is_here(command):
    done = command("ensharpen-doctor", "--json", "--need", "onnx", "--need", "tflite", "--need", "coreml")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert all(extra["ready"] for extra in told["extras"]), told["extras"]
    devices = {device["name"]: device for device in told["devices"]}
    assert devices["CPU, ONNX"]["ready"]
    assert metadata.version("onnxruntime") in devices["CPU, ONNX"]["state"]
    assert devices["CPU, TFLite"]["ready"]
    table = command("ensharpen-doctor").stdout
    assert all(name in table for name in (*PURPOSES, *devices))


def test_ci_can_ask_for_an_extra(monkeypatch, capsys):
    lacking = [Extra("onnx", "", (Shortfall("onnxsim>=0.4.36", None),)), Extra("tflite", "", ())]
    monkeypatch.setattr(report, "check_extras", lambda: lacking)
    monkeypatch.setattr(report, "check_devices", list)
    with pytest.raises(MissingToolError, match=r"onnx: needs onnxsim>=0\.4\.36") as raised:
        cli.doctor(need=["onnx", "tflite"])
    assert raised.value.hint == 'pip install "ensharpen-edge[onnx]"'
    assert "needs onnxsim" in capsys.readouterr().out, "the table comes all the same"
    cli.doctor(need=["tflite"])
    with pytest.raises(UsageError, match="Did you mean 'tflite'"):
        cli.doctor(need=["tflit"])


def test_devices_say_why_they_cannot_be_used(installed):
    orin = Gpu("Orin", 8, 7, True, 12060)
    found = {device.name: device for device in check_devices(no_gpu, "Linux")}
    assert not found["Core ML"].ready
    assert "macOS" in found["Core ML"].state
    assert not found["TensorRT"].ready
    assert "no NVIDIA driver" in found["TensorRT"].state
    installed(torch="2.13.0+cpu", onnxruntime="1.32.0")
    found = {device.name: device for device in check_devices(lambda: orin, "Darwin")}
    assert "JetPack" in found["TensorRT"].state
    assert "Orin, compute capability 8.7" in found["TensorRT"].state
    assert "built without CUDA" in found["CUDA, training"].state
    assert found["CPU, TFLite"].state == "ai-edge-litert is not installed"
    assert not found["Core ML"].ready
    installed(torch="2.13.0", tensorrt="10.3.0", coremltools="9.0")
    found = {device.name: device for device in check_devices(lambda: orin, "Darwin")}
    assert found["TensorRT"].ready
    assert found["TensorRT"].state == "Orin, compute capability 8.7, tensorrt 10.3.0"
    assert found["CUDA, training"].ready
    assert found["Core ML"].state == "coremltools 9.0"
    assert not found["CPU, ONNX"].ready


RUNTIME = ["onnxruntime>=1.17", 'ai-edge-litert>=2.3; extra == "tflite"']


def test_a_module_counts_whoever_brings_it(installed):
    installed(onnxruntime_gpu=("1.20.1", "onnxruntime"))
    (alone, *_) = check_extras(RUNTIME)
    assert alone.ready
    assert alone.notes == ("the module onnxruntime comes from onnxruntime-gpu 1.20.1",)
    (cpu, *_) = check_devices(no_gpu, "Linux")
    assert cpu.ready
    assert cpu.state.startswith("onnxruntime-gpu 1.20.1, ")
    installed(onnxruntime_gpu=("1.10.0", "onnxruntime"))
    (alone, *_) = check_extras(RUNTIME)
    assert [str(shortfall) for shortfall in alone.shortfalls] == ["onnxruntime>=1.17 (there is onnxruntime-gpu 1.10.0)"]


def test_two_distributions_of_one_module_are_named(installed):
    installed(onnxruntime="1.32.0", onnxruntime_gpu=("1.20.1", "onnxruntime"))
    told = "onnxruntime 1.32.0 and onnxruntime-gpu 1.20.1 both bring the module onnxruntime"
    (alone, *_) = check_extras(RUNTIME)
    assert alone.ready
    assert alone.notes[0].startswith(told)
    (cpu, *_) = check_devices(no_gpu, "Linux")
    assert cpu.ready
    assert cpu.state.startswith(told)


def test_metadata_without_code_and_code_without_metadata(installed, tmp_path):
    installed(numpy="2.1.0")
    place = Path(sys.path[0])
    add_distribution(place, "onnxruntime", "1.32.0", "onnxruntime", with_code=False)
    (place / "ai_edge_litert" / "__pycache__").mkdir(parents=True)
    (place / "tflite_runtime").mkdir()
    (place / "tflite_runtime" / "__init__.py").write_text("")
    importlib.invalidate_caches()
    found = {extra.name: extra for extra in check_extras(RUNTIME)}
    assert found[""].shortfalls == (Shortfall("onnxruntime>=1.17", "1.32.0", broken=True),)
    assert "its module cannot be found" in str(found[""].shortfalls[0])
    assert found["tflite"].shortfalls == (Shortfall("ai-edge-litert>=2.3", None),), "a folder is left, no code"
    devices = {device.name: device for device in check_devices(no_gpu, "Linux")}
    assert not devices["CPU, ONNX"].ready
    assert devices["CPU, TFLite"].state.startswith("tflite_runtime, "), "nobody knows its version, but it is there"


def test_modules_of_all_requirements_are_known():
    """Every extra is complete where the tests run, so each requirement's module must be found under its name."""
    stated = [line for line in metadata.requires("ensharpen-edge") or [] if "extra == 'test'" not in line]
    names = {re.split(r"[^A-Za-z0-9_.-]", line)[0] for line in stated if 'extra == "test"' not in line}
    modules = find_modules([import_name(name) for name in names - {"ensharpen-edge"}])
    assert len(modules) > 15
    assert [module.name for module in modules.values() if not module.importable] == []
