"""`ensharpen-doctor` says what is missing, and is right about it."""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path

import pytest

from ensharpen_edge.benchmarks.doctor import cli
from ensharpen_edge.benchmarks.doctor.devices import check_devices
from ensharpen_edge.benchmarks.doctor.extras import PURPOSES, Extra, Shortfall, check_extras
from ensharpen_edge.errors import MissingToolError, UsageError
from ensharpen_edge.runtime.trt.driver import Gpu
from ensharpen_edge.runtime.trt.faults import MISSING, DeviceError

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


def installed(**versions: str):
    def version(name: str) -> str:
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    return version


def no_gpu() -> Gpu:
    raise DeviceError(MISSING, "no NVIDIA driver")


def test_every_extra_has_a_purpose():
    block = (ROOT / "pyproject.toml").read_text().split("[project.optional-dependencies]")[1].split("\n[")[0]
    assert set(re.findall(r"^([a-z-]+) = \[", block, re.M)) - {"all", "test"} == set(PURPOSES) - {""}


def test_missing_and_old_packages_are_named_with_the_line_that_brings_them():
    found = {extra.name: extra for extra in check_extras(STATED, installed(numpy="1.26.4", onnx="1.15.0"))}
    assert list(found) == list(PURPOSES)
    assert found[""].ready, "what another Python or system would need is not missing here"
    assert found["onnx"].shortfalls == (Shortfall("torch>=2.4", None), Shortfall("onnx>=1.16", "1.15.0"))
    assert [str(shortfall) for shortfall in found["onnx"].shortfalls] == ["torch>=2.4", "onnx>=1.16 (there is 1.15.0)"]
    assert found["onnx"].install == 'pip install "ensharpen-edge[onnx]"'
    assert found["trt-check"].ready
    assert found["train"].shortfalls == (Shortfall("numpy>=2.0", "1.26.4"),)


def test_a_package_alone_that_is_incomplete():
    (alone, *_) = check_extras(STATED, installed())
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
    monkeypatch.setattr(cli, "check_extras", lambda: lacking)
    monkeypatch.setattr(cli, "check_devices", list)
    with pytest.raises(MissingToolError, match=r"onnx: needs onnxsim>=0\.4\.36") as raised:
        cli.doctor(need=["onnx", "tflite"])
    assert raised.value.hint == 'pip install "ensharpen-edge[onnx]"'
    assert "needs onnxsim" in capsys.readouterr().out, "the table comes all the same"
    cli.doctor(need=["tflite"])
    with pytest.raises(UsageError, match="Did you mean 'tflite'"):
        cli.doctor(need=["tflit"])


def test_devices_say_why_they_cannot_be_used(monkeypatch):
    orin = Gpu("Orin", 8, 7, True, 12060)
    found = {device.name: device for device in check_devices(no_gpu, "Linux")}
    assert not found["Core ML"].ready
    assert "macOS" in found["Core ML"].state
    assert not found["TensorRT"].ready
    assert "no NVIDIA driver" in found["TensorRT"].state
    monkeypatch.setattr(metadata, "version", installed(torch="2.13.0+cpu", onnxruntime="1.32.0"))
    found = {device.name: device for device in check_devices(lambda: orin, "Darwin")}
    assert "JetPack" in found["TensorRT"].state
    assert "Orin, compute capability 8.7" in found["TensorRT"].state
    assert "built without CUDA" in found["CUDA, training"].state
    assert found["CPU, TFLite"].state == "ai-edge-litert is not installed"
    assert not found["Core ML"].ready
    monkeypatch.setattr(metadata, "version", installed(torch="2.13.0", tensorrt="10.3.0", coremltools="9.0"))
    found = {device.name: device for device in check_devices(lambda: orin, "Darwin")}
    assert found["TensorRT"].ready
    assert found["TensorRT"].state == "Orin, compute capability 8.7, tensorrt 10.3.0"
    assert found["CUDA, training"].ready
    assert found["Core ML"].state == "coremltools 9.0"
    assert not found["CPU, ONNX"].ready
