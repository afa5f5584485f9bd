"""OpenVINO computes what ONNX Runtime does, for floats and for codes."""

from __future__ import annotations

import signal
import subprocess
import sys

import numpy as np
import pytest

import ensharpen_edge as ee
from ensharpen_edge.errors import MissingToolError, UsageError
from ensharpen_edge.runtime.engines.registry import open_engine

pytest.importorskip("openvino", reason="openvino is not installed")


def test_floats_agree_on_a_photograph(artifact, photo):
    image = photo.astype(np.float32) / 255
    with ee.load(artifact, "openvino", threads=1) as one, ee.load(artifact, threads=1) as other:
        assert one.engine.name == "openvino"
        difference = np.abs(one.sharpen(image) - other.sharpen(image)).max()
    assert 0 < difference < 1e-5, "not the same backend, but the same network"


@pytest.mark.slow
def test_codes_agree_on_a_photograph(shipped_export, photo):
    """Kernels of 8 bits round elsewhere: a code more or less grows from layer to layer."""
    int8 = shipped_export("onnx", "int8")
    with ee.load(int8, "openvino", threads=1) as one, ee.load(int8, threads=1) as other:
        first, second = one.sharpen(photo), other.sharpen(photo)
    mse = np.mean((first.astype(float) - second) ** 2)
    assert 10 * np.log10(255**2 / mse) > 48


def test_devices_are_found_or_refused(artifact):
    with open_engine(artifact, "cpu", engine="openvino") as engine:
        assert (engine.device, engine.provider[:8]) == ("cpu", "OpenVINO")
    with pytest.raises(MissingToolError, match=r"finds no npu\.7 here") as error:
        open_engine(artifact, "npu.7", engine="openvino")
    assert error.value.exit_code == 3
    with pytest.raises(UsageError, match="unknown device"):
        open_engine(artifact, "tpu", engine="openvino")


TWO_ENGINES_AND_A_SIGNAL = """
import os, signal, sys, time
from pathlib import Path
from ensharpen_edge.artifact import Artifact
from ensharpen_edge.runtime.engines.registry import open_engine
artifact = Artifact.open(Path(sys.argv[1]))
signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a shell ignore it
engines = [open_engine(artifact, engine="openvino", threads=1) for _ in range(2)]
while engines:
    engines.pop(0).close()
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_after_two_engines_is_an_interruption(artifact):
    """Cores of OpenVINO leave a stack for signals behind that is gone, if more than one was alive."""
    command = [sys.executable, "-c", TWO_ENGINES_AND_A_SIGNAL, str(artifact.path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != -signal.SIGSEGV
    assert done.stdout == "interrupted\n"
