"""Make a calibration table from an artifact and a folder of photographs."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from ensharpen_edge.arrays import F32, F64
from ensharpen_edge.artifact import Artifact
from ensharpen_edge.calibration.collect import Observer, PhotoInput, all_tensors
from ensharpen_edge.calibration.degraded_crops import degraded_inputs, training_mix
from ensharpen_edge.calibration.equalise import channel_peaks, equalised, find_scales
from ensharpen_edge.calibration.histogram import Histogram, merge
from ensharpen_edge.calibration.layers import find_layers
from ensharpen_edge.calibration.moments import MomentCollector
from ensharpen_edge.calibration.photo_choice import CropChoice, choose_crops
from ensharpen_edge.calibration.ranges import RangeConfig, Scheme
from ensharpen_edge.calibration.settings import DETAILED, CalibrationSettings
from ensharpen_edge.calibration.stability import Movement, compare_halves
from ensharpen_edge.calibration.table import CalibrationTable, Provenance, photo_keys, save_table
from ensharpen_edge.data.cache import load_photos
from ensharpen_edge.data.photos import PhotoSet
from ensharpen_edge.errors import IntegrityError, UsageError, require
from ensharpen_edge.progress import Progress, no_progress
from ensharpen_edge.runtime.whole_onnx import read_whole_onnx


@dataclass(frozen=True)
class FloatGraph:
    """The float graph of a network that is calibrated.

    Attributes:
        model: onnx.ModelProto, float32, one input and one output.
        sha256: See `graph_hash`.
        weights: sha256 of the checkpoint.
        multiple_of: Sides must be multiples of this.
        name: Name of the network.
        training: The part on training of the checkpoint's card.
        task: Task of the network.
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
        """Return the graph of an fp32 ONNX artifact.

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
    """Raise `UsageError` for a network that enlarges: a plan for int8 is judged on images of one size."""
    if enlarges != 1:
        raise UsageError(
            f"{name}: a plan for int8 is judged on images of one size, and this network enlarges",
            hint="ensharpen-export --precision fp16; for TFLite also int8-weights",
        )


def graph_hash(model: Any) -> str:  # noqa: ANN401
    """Return the sha256 of what a graph computes with which tensors: operators, attributes, names and shapes.

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
class ChosenPhotos:
    """The photographs and crops that a network is calibrated with.

    Attributes:
        photos: All photographs of the folder.
        choices: The chosen crops, in order.
        settings: How they were chosen and are looked at; the mix is never None.
    """

    photos: PhotoSet
    choices: tuple[CropChoice, ...]
    settings: CalibrationSettings


@dataclass(frozen=True)
class CalibrationResult:
    """A calibration that is done.

    Attributes:
        table: The table as it was written.
        movements: How far each tensor's range differs between the halves of the crops, the largest difference first.
        seconds: Time for degrading, running and collecting all crops.
    """

    table: CalibrationTable
    movements: list[Movement]
    seconds: float


def choose_photos(graph: FloatGraph, settings: CalibrationSettings) -> ChosenPhotos:
    """Choose the crops to calibrate a network with.

    Raises:
        BadInputError: The photographs are unfit (see `photo_choice.choose_crops`).
    """
    known = replace(settings, mix=settings.mix or training_mix(graph.training))
    photos = load_photos(known.data, cache=known.cache)
    return ChosenPhotos(photos, tuple(choose_crops(photos, known)), known)


def table_provenance(graph: FloatGraph, chosen: ChosenPhotos) -> Provenance:
    """Return what the table of a network and its crops is made from, which is known before it is made."""
    settings = chosen.settings
    return Provenance(
        weights=graph.weights,
        graph=graph.sha256,
        photos=photo_keys(chosen.choices),
        preprocessing=settings.preprocessing(),
        collector=settings.collector(),
    )


def run_calibration(
    graph: FloatGraph,
    chosen: ChosenPhotos,
    folder: Path,
    method: str = "percentile",
    progress: Progress = no_progress,
) -> CalibrationResult:
    """Degrade, equalise, run, and write the table to `folder`.

    The crops with even and with odd numbers are collected apart, compared, and merged: every crop runs once, and the
    first few once more before, for the equalisation.

    Args:
        graph: The network.
        chosen: The crops; see `choose_photos`.
        folder: Folder of the table, which is made.
        method: Range method by which the halves are compared; no influence on the table.
        progress: Told how many crops are done.

    Raises:
        BadInputError: A tensor holds NaN or Inf, or the folder cannot be written.
        UsageError: An unknown range method.
    """
    config, started = RangeConfig(method), time.monotonic()
    settings, choices = chosen.settings, chosen.choices
    scales: dict[str, F64] = {}
    if settings.equalise:
        first_look = Observer(graph.model, settings.samples, settings.threads, all_tensors(graph.model))
        peaks = channel_peaks(first_look, degraded_inputs(chosen.photos, choices[:DETAILED], settings))
        scales = find_scales(graph.model, peaks)
    model = equalised(graph.model, scales)
    observer = Observer(model, settings.samples, settings.threads)
    collector = MomentCollector(model, find_layers(model))
    done = count(1)

    def half(parity: int) -> dict[str, Histogram]:
        def visit(number: int, name: str, values: F32) -> None:
            crop = 2 * number + parity
            if crop < DETAILED:
                collector.add(name, values, crop)

        def counted() -> Iterator[PhotoInput]:
            for photo in degraded_inputs(chosen.photos, choices[parity::2], settings):
                yield photo
                progress("calibrating", next(done), len(choices))

        return observer.collect(counted(), visit)

    first, second = half(0), half(1)
    seconds = time.monotonic() - started
    histograms = {name: merge(first[name], second[name]) for name in first}
    table = CalibrationTable(table_provenance(graph, chosen), choices, histograms, scales, collector.freeze())
    save_table(table, folder)
    return CalibrationResult(table, compare_halves(first, second, Scheme(), config), seconds)
