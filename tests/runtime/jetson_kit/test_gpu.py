"""On a device with TensorRT: the kit's one command, and the artifact it leaves, for real."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.runtime.jetson_kit.driver import find_gpu
from ensharpen_edge.runtime.jetson_kit.faults import DeviceError


def missing() -> str | None:
    if importlib.util.find_spec("tensorrt") is None:
        return "tensorrt is not installed"
    try:
        find_gpu()
    except DeviceError as error:
        return str(error)
    return None


pytestmark = [pytest.mark.gpu, pytest.mark.timeout(3600)]


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_an_engine_from_the_kit(precision, command, photo_folder, tmp_path, photo):
    from ensharpen_edge.runtime.engines.registry import open_engine
    from ensharpen_edge.runtime.pipeline import plan_for, sharpen_frame

    few = ("--calib", photo_folder, "-n", 24, "--crop", 96, "--allow-few") if precision == "int8" else ()
    done = command(
        "ensharpen-export", "--target", "trt", "--precision", precision, *few, "--out", tmp_path, timeout=900
    )
    assert done.returncode == 0, done.stderr
    kit, out = Artifact.open(tmp_path / f"nano-trt-{precision}"), tmp_path / "engine"
    built = subprocess.run([sys.executable, kit.path / "build_engine.py", "--out", out], capture_output=True, text=True)
    sys.stdout.write(built.stdout)
    assert built.returncode == 0, built.stderr
    engine_artifact = Artifact.open(out)
    with open_engine(kit) as judged, open_engine(engine_artifact) as engine:
        frames = [
            sharpen_frame(each, artifact.manifest.io, plan_for(artifact, *photo.shape[:2]), photo)[0].astype(int)
            for each, artifact in ((judged, kit), (engine, engine_artifact))
        ]
    assert np.abs(frames[0] - frames[1]).max() <= (8 if precision == "int8" else 2)
