"""From an artifact and a folder of photographs to a calibration table."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.calibration.collect import Observer
from ensharpen_edge.calibration.degraded_crops import Preprocessing, degraded_inputs
from ensharpen_edge.calibration.histogram import BINS, merge
from ensharpen_edge.calibration.photo_choice import ChoiceConfig, choose_crops
from ensharpen_edge.calibration.ranges import RangeConfig, Scheme
from ensharpen_edge.calibration.stability import UNSTABLE, Movement, compare_halves
from ensharpen_edge.calibration.table import CalibrationTable, Provenance, photo_keys, save_table
from ensharpen_edge.data.cache import load_photos


@dataclass(frozen=True)
class CalibrationRequest:
    """One calibration.

    Attributes:
        artifact: fp32 ONNX.
        data: Folder of sharp photographs.
        choice: Which crops.
        preprocessing: How they are degraded.
        method: Range method of the stability check.
        samples: See `collect.DEFAULT_SAMPLES`.
        threads: Of the network.
        cache: Folder of decoded photographs, or None.
    """

    artifact: Artifact
    data: Path
    choice: ChoiceConfig
    preprocessing: Preprocessing
    method: str
    samples: int
    threads: int
    cache: Path | None


@dataclass(frozen=True)
class CalibrationResult:
    """What came out.

    Attributes:
        table: As written.
        movements: Between the halves, the largest first.
        limit: Above which a range counts as unstable.
        skipped: Files that could not be used.
    """

    table: CalibrationTable
    movements: list[Movement]
    limit: float
    skipped: tuple[str, ...]


def run_calibration(
    request: CalibrationRequest, folder: Path, progress: Callable[[int], None] = lambda _done: None
) -> CalibrationResult:
    """Choose, degrade, run, and write the table to `folder`.

    The crops with even and with odd numbers are collected apart, compared, and merged: every crop runs once.

    Raises:
        BadInputError: Unfit photographs, or NaN on the way.
        UsageError: An unknown range method.
    """
    config = RangeConfig(request.method)
    photos = load_photos(request.data, 1, None, request.cache)
    choices = tuple(choose_crops(photos, request.choice))
    file = request.artifact.path / request.artifact.manifest.model_file
    model = onnx.load(str(file))
    observer = Observer(model, request.samples, request.threads)
    half = (len(choices) + 1) // 2
    first = observer.collect(degraded_inputs(photos, choices[::2], request.preprocessing), progress)
    second = observer.collect(
        degraded_inputs(photos, choices[1::2], request.preprocessing), lambda done: progress(half + done)
    )
    provenance = Provenance(
        weights=str(request.artifact.manifest.source["checkpoint_sha256"]),
        graph=hashlib.sha256(file.read_bytes()).hexdigest(),
        photos=photo_keys(choices),
        preprocessing=request.preprocessing.to_dict(),
        collector={"bins": BINS, "samples": request.samples},
    )
    table = CalibrationTable(provenance, choices, {name: merge(first[name], second[name]) for name in first})
    save_table(table, folder)
    return CalibrationResult(table, compare_halves(first, second, Scheme(), config), UNSTABLE, photos.skipped)
