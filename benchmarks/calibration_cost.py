"""What a calibration costs: time per crop against bare inference, and peak memory against the number of crops."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.benchmarks.suites import photo_files
from ensharpen_edge.errors import BadInputError
from ensharpen_edge.imaging.decode import read_photo
from ensharpen_edge.runtime.engine import F32
from ensharpen_edge.runtime.registry import open_engine

_ROUNDS = 10


@dataclass(frozen=True)
class CalibrationCost:
    """One calibration, in a process of its own.

    Attributes:
        name: What was run.
        crops: Their number.
        peak_mib: Peak resident memory, interpreter and libraries included.
        seconds_per_crop: Of collecting, degradation included; None where it was not measured.
    """

    name: str
    crops: int
    peak_mib: float
    seconds_per_crop: float | None


def measure_calibrations(
    artifact: Path, data: Path, counts: list[int], crop: int, threads: int, method: str
) -> list[CalibrationCost]:
    """Run `ensharpen-calibrate` for every number of crops.

    Raises:
        BadInputError: One of the calls failed; says why.
    """
    costs = []
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            options = ["--data", data, "-n", count, "--crop", crop, "--threads", threads, "--method", method]
            call = [artifact, *options, "--out", folder, "--no-plan", "--allow-few", "--json"]
            report = _run_module("ensharpen_edge.calibration.cli", call)
        cost = report["cost"]
        costs.append(
            CalibrationCost(f"this project, {method}", report["crops"], cost["peak_mib"], cost["seconds_per_crop"])
        )
    return costs


def measure_onnxruntime(artifact: Path, data: Path, counts: list[int], crop: int) -> list[CalibrationCost]:
    """The same with ONNX Runtime's entropy calibrator, which keeps all activations of all crops until the end."""
    costs = []
    for count in counts:
        report = _run_module("ensharpen_edge.benchmarks.onnxruntime_entropy", [artifact, data, count, crop])
        costs.append(CalibrationCost("onnxruntime, entropy", count, report["peak_mib"], None))
    return costs


def bare_inference(artifact: Path, data: Path, crop: int, threads: int) -> float:
    """Seconds of one fp32 inference of a crop: median of ten, warmed up."""
    batch = crops_of(data, crop, 1)[0]
    times = []
    with open_engine(Artifact.open(artifact), threads=threads) as engine:
        for _ in range(_ROUNDS + 2):
            start = time.perf_counter()
            engine.run(batch)
            times.append(time.perf_counter() - start)
    return float(np.median(times[2:]))


def crops_of(data: Path, crop: int, count: int) -> list[F32]:
    """Centre crops of photographs directly in a folder, float32 (1, 3, crop, crop); the last ones repeat the first.

    Raises:
        BadInputError: No photograph is large enough.
    """
    crops: list[F32] = []
    for file in photo_files(data)[:count]:
        image = read_photo(file).rgb
        top, left = (image.shape[0] - crop) // 2, (image.shape[1] - crop) // 2
        if top >= 0 and left >= 0:
            cut = image[top : top + crop, left : left + crop].transpose(2, 0, 1)[None]
            crops.append(np.ascontiguousarray(cut, dtype=np.float32) / np.float32(255.0))
    if not crops:
        raise BadInputError(f"{data}: no photograph of {crop} pixels a side")
    return [crops[index % len(crops)] for index in range(count)]


def _run_module(module: str, arguments: list[object]) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", module, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise BadInputError(f"{module} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report
