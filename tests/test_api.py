"""The Python API: what it offers, what it costs to import, and that it does what the commands do."""

from __future__ import annotations

import inspect
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import ensharpen_edge as ee


def test_every_name_is_there_and_explains_itself():
    assert 10 <= len(ee.__all__) <= 14
    for name in ee.__all__:
        thing = getattr(ee, name)
        assert name.startswith("__") or (inspect.getdoc(thing) or "").endswith((".", ")")), name
    with pytest.raises(AttributeError, match="sharpen_everything"):
        _ = ee.sharpen_everything


def test_importing_is_quick_and_loads_nothing_heavy():
    code = "import ensharpen_edge as ee, sys; assert not {'torch', 'onnxruntime', 'PIL', 'typer'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    best = min(_seconds("import ensharpen_edge") - _seconds("pass") for _ in range(3))
    assert best < 0.3


def _seconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


@pytest.mark.parametrize("order", ["import ensharpen_edge.export.pipeline", "pass"])
def test_export_is_a_package_and_a_function(order):
    code = (
        f"{order}\nimport ensharpen_edge as ee, inspect\nassert callable(ee.export)\n"
        "assert 'precision' in inspect.signature(ee.export).parameters\n"
        "import ensharpen_edge.export.pipeline as pipeline\nassert callable(pipeline.export_model)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_second_copy_can_be_imported(tmp_path):
    code = "import ensharpen_edge.runtime.tiling; print('found'); import ensharpen_edge.ensharpen_edge"
    for folder in (Path(__file__).parents[1], tmp_path):
        done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
        assert done.stdout == "found\n"
        assert "No module named 'ensharpen_edge.ensharpen_edge'" in done.stderr


@pytest.mark.slow
def test_a_calibrated_precision_needs_no_more_than_the_command_does(tmp_path):
    told = []
    result = ee.export("nano", "tflite", "int8", out=tmp_path, progress=lambda doing, *_: told.append(doing))
    assert result.artifact.manifest.precision == "int8"
    assert result.gate.mean_drop <= 0.05
    assert told
    with pytest.raises(ee.EnsharpenError, match="unknown target"):
        ee.export("nano", "tflight")


def test_a_loaded_artifact_sharpens_what_it_is_given(artifact, photo):
    with ee.load(artifact.path, threads=1) as sharpener:
        sharp = sharpener.sharpen(photo)
        floats = sharpener.sharpen(photo.astype(np.float32) / 255)
    assert (sharp.dtype, floats.dtype, sharp.shape) == (np.uint8, np.float32, photo.shape)
    assert np.abs(floats * 255 - sharp).max() <= 0.51


def test_benchmark_measures_speed_and_sharpening(artifact, photo_folder):
    result = ee.benchmark(artifact.path, size=64, threads=1, rounds=3)
    assert result.artifacts[0].latency is not None
    assert result.to_dict()["machine"]


def test_names_of_models_and_targets():
    assert {"nano", "small", "base"} <= set(ee.shipped_models())
    assert set(ee.targets()) == {"onnx", "openvino", "tflite", "trt", "coreml"}
