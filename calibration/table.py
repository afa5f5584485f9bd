"""The calibration table: what the photographs did to every tensor, with a key that says from what it was made.

A folder with `table.json` and `histograms.npz`. Every target's quantizer reads the same one. The key hashes weights,
graph, photographs, preprocessing and collector; a table for anything else is refused, with what differs.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ensharpen_edge import __version__
from ensharpen_edge.artifact import sha256_of
from ensharpen_edge.calibration.histogram import Histogram
from ensharpen_edge.calibration.photo_choice import CropChoice
from ensharpen_edge.errors import BadInputError, IntegrityError
from ensharpen_edge.whole_file import whole_file

TABLE, HISTOGRAMS = "table.json", "histograms.npz"
_SCHEMA = 1


@dataclass(frozen=True)
class Provenance:
    """Everything that a table depends on.

    Attributes:
        weights: sha256 of the checkpoint.
        graph: sha256 of the float graph.
        photos: `sha256:top:left` of every crop, in order.
        preprocessing: What was done to the crops, as JSON types.
        collector: Bins and samples, as JSON types.
        version: Of this project.
    """

    weights: str
    graph: str
    photos: tuple[str, ...]
    preprocessing: dict[str, Any]
    collector: dict[str, Any]
    version: str = __version__

    @property
    def key(self) -> str:
        """sha256 over all of it."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def differences(self, other: Provenance) -> list[str]:
        """What is not the same in `other`, a line each."""
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
    """What was seen.

    Attributes:
        provenance: From what it was made.
        choices: The crops and why they were chosen.
        histograms: By tensor.
    """

    provenance: Provenance
    choices: tuple[CropChoice, ...]
    histograms: dict[str, Histogram]


def photo_keys(choices: tuple[CropChoice, ...]) -> tuple[str, ...]:
    """The crops as `Provenance.photos` names them."""
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
            "histograms_sha256": sha256_of(folder / HISTOGRAMS),
        }
        with whole_file(folder / TABLE) as temporary:
            temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise BadInputError(f"{folder}: cannot write the calibration table ({error})") from error


def load_table(folder: Path, expected: Provenance | None = None) -> CalibrationTable:
    """Read a table.

    Args:
        folder: Of `save_table`.
        expected: What it must have been made from, or None to take it as it is.

    Raises:
        IntegrityError: Missing, truncated, altered, or made from something else; says what differs.
    """
    try:
        content = json.loads((folder / TABLE).read_text(encoding="utf-8"))
        if content["schema"] != _SCHEMA:
            raise IntegrityError(f"{folder}: a table of schema {content['schema']}, this version reads {_SCHEMA}")
        stored = content["provenance"]
        provenance = Provenance(**{**stored, "photos": tuple(stored["photos"])})
        choices = tuple(CropChoice(**choice) for choice in content["choices"])
        sha256, tensors = content["histograms_sha256"], content["tensors"]
        if provenance.key != content["key"]:
            raise IntegrityError(f"{folder}: the table was altered: its key does not fit its content")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{folder}: no readable calibration table ({error})", hint="calibrate again") from error
    if expected is not None and provenance.key != expected.key:
        raise IntegrityError(
            f"{folder}: made from something else ({'; '.join(provenance.differences(expected))})",
            hint="calibrate again",
        )
    return CalibrationTable(provenance, choices, _load_histograms(folder / HISTOGRAMS, sha256, tensors))


def _load_histograms(path: Path, sha256: str, tensors: list[dict[str, Any]]) -> dict[str, Histogram]:
    try:
        if sha256_of(path) != sha256:
            raise IntegrityError(f"{path}: differs from its hash in {TABLE}", hint="calibrate again")
        histograms = {}
        with np.load(path, allow_pickle=False) as arrays:
            for index, entry in enumerate(tensors):
                lows, highs = arrays[f"extremes{index}"].tolist()
                histograms[str(entry["name"])] = Histogram(
                    arrays[f"counts{index}"], entry["reach"], entry["low"], entry["high"], tuple(lows), tuple(highs)
                )
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise IntegrityError(f"{path}: damaged ({error})", hint="calibrate again") from error
    return histograms
