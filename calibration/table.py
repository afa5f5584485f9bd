"""The calibration table: what the photographs did to every tensor, with a key that says from what it was made.

A folder with `table.json` and `histograms.npz`. Every target's quantizer reads the same one. The key hashes weights,
graph, photographs, preprocessing and collector; a table for anything else is refused, with what differs.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ensharpen_edge import __version__
from ensharpen_edge.arrays import F64
from ensharpen_edge.calibration.histogram import Histogram
from ensharpen_edge.calibration.moments import Moments
from ensharpen_edge.calibration.photo_choice import CropChoice
from ensharpen_edge.errors import BadInputError, IntegrityError
from ensharpen_edge.files import sha256_of, whole_file

TABLE, HISTOGRAMS = "table.json", "histograms.npz"
_SCHEMA = 3


@dataclass(frozen=True)
class Provenance:
    """Everything that a table is made from.

    Attributes:
        weights: sha256 of the checkpoint.
        graph: sha256 of the float graph.
        photos: `sha256:top:left` of every crop, in order.
        preprocessing: How the crops were degraded, as JSON types.
        collector: Bins and samples, as JSON types.
        version: Version of this project.
    """

    weights: str
    graph: str
    photos: tuple[str, ...]
    preprocessing: dict[str, Any]
    collector: dict[str, Any]
    version: str = __version__

    @property
    def key(self) -> str:
        """Key of the table: sha256 over all fields."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def differences(self, other: Provenance) -> list[str]:
        """Return the differences to `other`, a line each."""
        lines = []
        for name, mine in dataclasses.asdict(self).items():
            theirs = dataclasses.asdict(other)[name]
            if mine == theirs:
                continue
            if name == "photos":
                gone, new = len(set(mine) - set(theirs)), len(set(theirs) - set(mine))
                lines.append(f"photos: {gone} gone, {new} new" if gone or new else "photos: another order")
            else:
                lines.append(f"{name}: {_short(mine)} -> {_short(theirs)}")
        return lines


def _short(value: Any) -> str:  # noqa: ANN401
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= 60 else f"{text[:57]}..."


@dataclass(frozen=True)
class CalibrationTable:
    """The calibration of a network: statistics of its tensors over the crops.

    Attributes:
        provenance: Everything that it was made from.
        choices: The crops and why they were chosen.
        histograms: Histogram of each tensor of the equalised graph, by name.
        scales: (C,) factors by tensor that make the float graph the equalised one (`equalise.equalised`).
        moments: Moments of each layer of the equalised graph, by name.
    """

    provenance: Provenance
    choices: tuple[CropChoice, ...]
    histograms: dict[str, Histogram]
    scales: dict[str, F64]
    moments: dict[str, Moments]


def photo_keys(choices: tuple[CropChoice, ...]) -> tuple[str, ...]:
    """Return the crops as `Provenance.photos` names them."""
    return tuple(f"{choice.sha256}:{choice.top}:{choice.left}" for choice in choices)


def save_table(table: CalibrationTable, folder: Path) -> None:
    """Write the table; `table.json`, which holds the other file's hash, is written last.

    Raises:
        BadInputError: The folder cannot be written.
    """
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    tensors = []
    for index, (name, histogram) in enumerate(table.histograms.items()):
        arrays[f"counts{index}"] = histogram.counts
        arrays[f"extremes{index}"] = np.array([histogram.lows, histogram.highs])
        tensors.append({"name": name, "reach": histogram.reach, "low": histogram.low, "high": histogram.high})
    for index, scale in enumerate(table.scales.values()):
        arrays[f"scale{index}"] = scale
    for index, moments in enumerate(table.moments.values()):
        arrays[f"mean{index}"] = moments.mean.astype(np.float32)
        arrays[f"second{index}"] = moments.second.astype(np.float32)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(folder / HISTOGRAMS) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        content = {
            "schema": _SCHEMA,
            "key": table.provenance.key,
            "provenance": dataclasses.asdict(table.provenance),
            "choices": [dataclasses.asdict(choice) for choice in table.choices],
            "tensors": tensors,
            "scaled": list(table.scales),
            "layers": list(table.moments),
            "histograms_sha256": sha256_of(folder / HISTOGRAMS),
        }
        content["content_sha256"] = _content_hash(content)
        with whole_file(folder / TABLE) as temporary:
            temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise BadInputError(f"{folder}: cannot write the calibration table ({error})") from error


def _content_hash(content: Mapping[str, Any]) -> str:
    """Return the sha256 of all entries but itself."""
    body = {name: value for name, value in content.items() if name != "content_sha256"}
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def load_table(folder: Path, expected: Provenance | None = None) -> CalibrationTable:
    """Return the table in a folder.

    Args:
        folder: Folder that `save_table` wrote.
        expected: The provenance that it must have, or None to take it as it is.

    Raises:
        IntegrityError: Missing, truncated, altered, or made from something else; says what differs.
    """
    try:
        content = json.loads((folder / TABLE).read_text(encoding="utf-8"))
        if content["schema"] != _SCHEMA:
            raise IntegrityError(
                f"{folder}: a table of schema {content['schema']}, this version reads {_SCHEMA}", hint="calibrate again"
            )
        stored = content["provenance"]
        provenance = Provenance(**{**stored, "photos": tuple(stored["photos"])})
        choices = tuple(CropChoice(**choice) for choice in content["choices"])
        if provenance.key != content["key"] or _content_hash(content) != content["content_sha256"]:
            raise IntegrityError(f"{folder}: the table was altered after it was written", hint="calibrate again")
        if expected is not None:
            check_fits(provenance, expected, folder)
        return CalibrationTable(provenance, choices, *_load_arrays(folder / HISTOGRAMS, content))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{folder}: no readable calibration table ({error})", hint="calibrate again") from error


def check_fits(stored: Provenance, expected: Provenance, folder: Path) -> None:
    """Raise `IntegrityError` with the differences when a table was made from something else."""
    if stored.key != expected.key:
        raise IntegrityError(
            f"{folder}: made from something else ({'; '.join(stored.differences(expected))})", hint="calibrate again"
        )


def _load_arrays(
    path: Path, content: dict[str, Any]
) -> tuple[dict[str, Histogram], dict[str, F64], dict[str, Moments]]:
    try:
        if sha256_of(path) != content["histograms_sha256"]:
            raise IntegrityError(f"{path}: differs from its hash in {TABLE}", hint="calibrate again")
        with np.load(path, allow_pickle=False) as arrays:
            histograms = {}
            for index, entry in enumerate(content["tensors"]):
                lows, highs = arrays[f"extremes{index}"].tolist()
                histograms[str(entry["name"])] = Histogram(
                    arrays[f"counts{index}"], entry["reach"], entry["low"], entry["high"], tuple(lows), tuple(highs)
                )
            scales = {str(name): arrays[f"scale{index}"] for index, name in enumerate(content["scaled"])}
            moments = {
                str(name): Moments(
                    arrays[f"mean{index}"].astype(np.float64), arrays[f"second{index}"].astype(np.float64)
                )
                for index, name in enumerate(content["layers"])
            }
    except zipfile.BadZipFile as error:
        raise IntegrityError(f"{path}: damaged ({error})", hint="calibrate again") from error
    return histograms, scales, moments
