"""From an artifact and a folder of photographs to a calibration table."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.calibration.collect import DEFAULT_SAMPLES, Observer, Visitor, all_tensors
from ensharpen_edge.calibration.degraded_crops import Preprocessing, degraded_inputs
from ensharpen_edge.calibration.equalise import STRENGTH, channel_peaks, equalised, find_scales
from ensharpen_edge.calibration.histogram import BINS, merge
from ensharpen_edge.calibration.layers import find_layers
from ensharpen_edge.calibration.moments import PATCHES, MomentCollector
from ensharpen_edge.calibration.photo_choice import ChoiceConfig, CropChoice, choose_crops
from ensharpen_edge.calibration.ranges import RangeConfig, Scheme
from ensharpen_edge.calibration.stability import Movement, compare_halves
from ensharpen_edge.calibration.table import CalibrationTable, Provenance, photo_keys, save_table
from ensharpen_edge.data.cache import load_photos
from ensharpen_edge.data.photos import PhotoSet
from ensharpen_edge.errors import IntegrityError, UsageError, require
from ensharpen_edge.runtime.whole_onnx import read_whole_onnx

F64 = NDArray[np.float64]

DETAILED = 16
"""Crops that channel peaks and moments are taken from; they vary less between photographs than extremes do."""


@dataclass(frozen=True)
class FloatGraph:
    """What is calibrated.

    Attributes:
        model: onnx.ModelProto, float32, one input and one output.
        sha256: See `graph_hash`.
        weights: sha256 of the checkpoint.
        multiple_of: Sides must be multiples of this.
        name: Of the network.
        training: From the checkpoint's card.
        task: Of the network.
    """

    model: Any
    sha256: str
    weights: str
    multiple_of: int
    name: str
    training: dict[str, Any] = field(default_factory=dict)
    task: str = "sharpen"

    @classmethod
    def of_artifact(cls, artifact: Artifact) -> FloatGraph:
        """The graph of an fp32 ONNX artifact.

        Raises:
            MissingToolError: onnx is not installed.
            IntegrityError: The file is no ONNX graph, or keeps weights in other files.
        """
        onnx = require("onnx", "onnx")
        manifest = artifact.manifest
        data = read_whole_onnx(artifact)
        try:
            model = onnx.load_from_string(data)
        except Exception as error:  # protobuf raises its own unexported exception classes
            raise IntegrityError(f"{artifact.model_path}: no ONNX graph ({error})") from error
        return cls(
            model,
            graph_hash(model),
            str(manifest.source["checkpoint_sha256"]),
            manifest.shape.multiple_of,
            manifest.name,
            dict(manifest.source.get("training", {})),
            manifest.task,
        )


def refuse_enlarging(name: str, enlarges: int) -> None:
    """Raises `UsageError` for a network that enlarges: a plan for int8 is judged on images of one size."""
    if enlarges != 1:
        raise UsageError(
            f"{name}: a plan for int8 is judged on images of one size, and this network enlarges",
            hint="ensharpen-export --precision fp16; for TFLite also int8-weights",
        )


def graph_hash(model: Any) -> str:  # noqa: ANN401
    """sha256 of what a graph computes with which tensors: operators, attributes, names and shapes.

    The numbers in it are left out: they follow from the checkpoint, whose hash goes beside this one, but for the last
    bits, in which machines differ when they fold layers into each other.
    """
    graph = model.graph
    parts = [node.SerializeToString(deterministic=True) for node in graph.node if node.op_type != "Constant"]
    weights = sorted(f"{tensor.name} {tensor.data_type} {list(tensor.dims)}" for tensor in graph.initializer)
    parts += [text.encode() for text in weights]
    parts += [value.SerializeToString(deterministic=True) for value in (*graph.input, *graph.output)]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


@dataclass(frozen=True)
class CalibrationRequest:
    """One calibration.

    Attributes:
        data: Folder of sharp photographs.
        choice: Which crops.
        preprocessing: How they are degraded.
        method: Range method of the stability check.
        samples: See `collect.DEFAULT_SAMPLES`.
        threads: Of the network.
        cache: Folder of decoded photographs, or None.
        equalise: Make channels alike first (see `equalise`).
    """

    data: Path
    choice: ChoiceConfig
    preprocessing: Preprocessing
    method: str = "percentile"
    samples: int = DEFAULT_SAMPLES
    threads: int = 0
    cache: Path | None = None
    equalise: bool = True


@dataclass(frozen=True)
class ChosenPhotos:
    """What a calibration will look at.

    Attributes:
        photos: All of the folder.
        choices: The crops.
        provenance: Of the table that will come out.
    """

    photos: PhotoSet
    choices: tuple[CropChoice, ...]
    provenance: Provenance


@dataclass(frozen=True)
class CalibrationResult:
    """What came out.

    Attributes:
        table: As written.
        movements: Between the halves, the largest first.
        seconds: Of degrading, running and collecting all crops.
    """

    table: CalibrationTable
    movements: list[Movement]
    seconds: float


def choose_photos(graph: FloatGraph, request: CalibrationRequest) -> ChosenPhotos:
    """Choose the crops.

    Raises:
        BadInputError: Unfit photographs.
    """
    photos = load_photos(request.data, 1, None, request.cache)
    choices = tuple(choose_crops(photos, request.choice))
    return ChosenPhotos(photos, choices, _provenance(graph, request, choices))


def _provenance(graph: FloatGraph, request: CalibrationRequest, choices: tuple[CropChoice, ...]) -> Provenance:
    return Provenance(
        weights=graph.weights,
        graph=graph.sha256,
        photos=photo_keys(choices),
        preprocessing=request.preprocessing.to_dict(),
        collector={
            "bins": BINS,
            "samples": request.samples,
            "equalise": STRENGTH if request.equalise else None,
            "detailed crops": DETAILED,
            "patches": PATCHES,
        },
    )


def run_calibration(
    graph: FloatGraph,
    request: CalibrationRequest,
    chosen: ChosenPhotos,
    folder: Path,
    progress: Callable[[int], None] = lambda _done: None,
) -> CalibrationResult:
    """Degrade, equalise, run, and write the table to `folder`.

    The crops with even and with odd numbers are collected apart, compared, and merged: every crop runs once, and the
    first few once more before, for the equalisation.

    Raises:
        BadInputError: NaN on the way.
        UsageError: An unknown range method.
    """
    config, started = RangeConfig(request.method), time.monotonic()
    settings, choices = request.preprocessing, chosen.choices
    scales: dict[str, F64] = {}
    if request.equalise:
        first_look = Observer(graph.model, request.samples, request.threads, all_tensors(graph.model))
        peaks = channel_peaks(first_look, degraded_inputs(chosen.photos, choices[:DETAILED], settings))
        scales = find_scales(graph.model, peaks)
    model = equalised(graph.model, scales)
    observer = Observer(model, request.samples, request.threads)
    collector = MomentCollector(model, find_layers(model))

    def visits(parity: int) -> Visitor:
        def visit(number: int, name: str, values: NDArray[np.float32]) -> None:
            crop = 2 * number + parity
            if crop < DETAILED:
                collector.add(name, values, crop)

        return visit

    half = (len(choices) + 1) // 2
    first = observer.collect(degraded_inputs(chosen.photos, choices[::2], settings), progress, visits(0))
    second = observer.collect(
        degraded_inputs(chosen.photos, choices[1::2], settings), lambda done: progress(half + done), visits(1)
    )
    seconds = time.monotonic() - started
    histograms = {name: merge(first[name], second[name]) for name in first}
    provenance = _provenance(graph, request, choices)
    table = CalibrationTable(provenance, choices, histograms, scales, collector.freeze())
    save_table(table, folder)
    return CalibrationResult(table, compare_halves(first, second, Scheme(), config), seconds)
