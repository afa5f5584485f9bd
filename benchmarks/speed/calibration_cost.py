"""Cost of a calibration: time per crop against bare inference, and peak memory against the number of crops."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ensharpen_edge.arrays import F32
from ensharpen_edge.artifact import Artifact
from ensharpen_edge.errors import BadInputError
from ensharpen_edge.imaging.crops import centre_crop
from ensharpen_edge.imaging.decode import read_photo
from ensharpen_edge.imaging.photo_folder import photo_files
from ensharpen_edge.runtime.engines.registry import open_engine

_ROUNDS = 10
_THEIR_COUNTS = (1, 4)
"""Numbers of crops for ONNX Runtime's calibrator, whose memory grows with them."""


@dataclass(frozen=True)
class CalibrationCost:
    """One calibration, in a process of its own.

    Attributes:
        name: Name of the calibrator.
        crops: Number of crops.
        peak_mib: Peak resident memory, interpreter and libraries included.
        seconds_per_crop: Seconds of collecting, degradation included; None where it was not measured.
    """

    name: str
    crops: int
    peak_mib: float
    seconds_per_crop: float | None


@dataclass(frozen=True)
class CalibrationCostRequest:
    """An artifact, and what to calibrate it on.

    Attributes:
        artifact: Folder of an fp32 ONNX artifact.
        data: Folder of sharp photographs.
        counts: Numbers of crops, a calibration each.
        crop: Side of the crops, pixels.
        method: Name of the range method.
        threads: CPU threads.
    """

    artifact: Path
    data: Path
    counts: tuple[int, ...] = (10, 1000)
    crop: int = 256
    method: str = "entropy"
    threads: int = 2


@dataclass(frozen=True)
class CalibrationCosts:
    """Costs of this project's calibrations, and of ONNX Runtime's beside them.

    Attributes:
        bare_seconds: Seconds of one fp32 inference of a crop.
        costs: Cost of each calibration.
    """

    bare_seconds: float
    costs: tuple[CalibrationCost, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain JSON types."""
        return {"bare_seconds": self.bare_seconds, "costs": [dataclasses.asdict(cost) for cost in self.costs]}


def measure_calibration_cost(request: CalibrationCostRequest) -> CalibrationCosts:
    """Calibrate with every number of crops, each in a process of its own, and time the bare inference beside it.

    ONNX Runtime's entropy calibrator runs on 1 and 4 crops: it keeps every activation until the end.

    Raises:
        BadInputError: There are no photographs that are large enough, or a calibration failed; says why.
        IntegrityError: The artifact is damaged.
    """
    bare = bare_inference(request.artifact, request.data, request.crop, request.threads)
    costs = _own_costs(request) + _onnxruntime_costs(request)
    return CalibrationCosts(bare, tuple(costs))


def _own_costs(request: CalibrationCostRequest) -> list[CalibrationCost]:
    costs = []
    for count in request.counts:
        with tempfile.TemporaryDirectory() as folder:
            options = ["--data", request.data, "-n", count, "--crop", request.crop, "--threads", request.threads]
            options += ["--method", request.method, "--out", folder, "--no-plan", "--allow-few", "--json"]
            report = _run_module("ensharpen_edge.calibration.cli", [request.artifact, *options])
        cost = report["cost"]
        name = f"this project, {request.method}"
        costs.append(CalibrationCost(name, report["crops"], cost["peak_mib"], cost["seconds_per_crop"]))
    return costs


def _onnxruntime_costs(request: CalibrationCostRequest) -> list[CalibrationCost]:
    costs = []
    for count in _THEIR_COUNTS:
        arguments = [request.artifact, request.data, count, request.crop]
        report = _run_module("ensharpen_edge.benchmarks.speed.onnxruntime_entropy", arguments)
        costs.append(CalibrationCost("onnxruntime, entropy", count, report["peak_mib"], None))
    return costs


def bare_inference(artifact: Path, data: Path, crop: int, threads: int) -> float:
    """Return the seconds of one fp32 inference of a crop: median of ten, warmed up."""
    batch = crops_of(data, crop, 1)[0]
    times = []
    with open_engine(Artifact.open(artifact), threads=threads) as engine:
        for _ in range(_ROUNDS + 2):
            start = time.perf_counter()
            engine.run(batch)
            times.append(time.perf_counter() - start)
    return float(np.median(times[2:]))


def crops_of(data: Path, crop: int, count: int) -> list[F32]:
    """Return centre crops of a folder's photographs, float32 (1, 3, crop, crop); the last ones repeat the first.

    Raises:
        BadInputError: No photograph is large enough.
    """
    crops: list[F32] = []
    for file in photo_files(data)[:count]:
        image = read_photo(file).rgb
        if min(image.shape[:2]) >= crop:
            cut = centre_crop(image, crop).transpose(2, 0, 1)[None]
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
