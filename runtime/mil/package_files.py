"""The files that a Core ML package reads, which must be files of the artifact.

A package names its specification and its folder of weights in its own `Manifest.json`, and the specification names
weight files by paths that begin with `@model_path/`, the specification's folder. Any of these could lead elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.errors import IntegrityError, require
from ensharpen_edge.runtime.mil.quiet import quiet

_BESIDE_SPECIFICATION = "@model_path/"


def check_package_files(artifact: Artifact) -> None:
    """Check that an artifact's package reads no file that the manifest does not hash.

    Raises:
        MissingToolError: coremltools is not installed.
        IntegrityError: The package is damaged, holds something else than an ML program, or names another file.
    """
    package = PurePosixPath(artifact.manifest.model_file).parent
    try:
        body = json.loads(artifact.read_model(), object_pairs_hook=_once)
        items = {str(key): entry for key, entry in body["itemInfoEntries"].items()}
        specification = _inside(package / "Data", items[body["rootModelIdentifier"]]["path"])
        folders = [
            _inside(package / "Data", entry["path"])
            for key, entry in items.items()
            if key != body["rootModelIdentifier"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise IntegrityError(
            f"{artifact.model_path}: not a Core ML package of this artifact's files ({error})", hint="export it again"
        ) from error
    for named in _weight_files(artifact, specification):
        try:
            if not named.startswith(_BESIDE_SPECIFICATION):
                raise ValueError(f"{named!r} does not begin with {_BESIDE_SPECIFICATION}")
            file = _inside(specification.parent, named[len(_BESIDE_SPECIFICATION) :])
        except ValueError as error:
            raise IntegrityError(f"{artifact.path}: a weight of the package lies elsewhere ({error})") from error
        # Core ML follows the path; coremltools takes the last part of it, in the folder of weights.
        if file.parent not in folders or str(file) not in artifact.manifest.files:
            raise IntegrityError(f"{artifact.path}: the package reads {file}, which no hash of the manifest covers")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; readers differ in which of two equal keys counts."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _inside(folder: PurePosixPath, path: str) -> PurePosixPath:
    """The file or folder that a path names, relative to a folder that it must not leave.

    Raises:
        ValueError: It could leave it.
    """
    parts = path.split("/")
    if any(part in ("", ".", "..") or "\\" in part or ":" in part or "\0" in part for part in parts):
        raise ValueError(f"{path!r} is no plain path in {folder}")
    return folder / path


def _weight_files(artifact: Artifact, specification: PurePosixPath) -> set[str]:
    """Every weight file that a specification names, in its own words.

    Raises:
        IntegrityError: The specification is not the manifest's, is damaged, or is not of an ML program.
    """
    with quiet():
        require("coremltools", "coreml")
        from coremltools.proto import Model_pb2
    try:
        content = (artifact.path / specification).read_bytes()
        if hashlib.sha256(content).hexdigest() != artifact.manifest.files.get(str(specification)):
            raise ValueError("differs from its sha256")
        model = Model_pb2.Model.FromString(content)
        if model.WhichOneof("Type") != "mlProgram":  # other kinds may link to files, or to code of an app
            raise ValueError(f"holds {model.WhichOneof('Type')}, not an ML program")
    except Exception as error:  # protobuf's own exception class is not worth an import
        raise IntegrityError(f"{artifact.path}: {specification} {error}", hint="copy or export it again") from error
    return set(_file_names(model.mlProgram))


def _file_names(message: Any) -> Iterator[str]:  # noqa: ANN401 (a protobuf message)
    """Yield the file names in a message and all messages in it."""
    if message.DESCRIPTOR.full_name == "CoreML.Specification.MILSpec.Value.BlobFileValue":
        yield message.fileName
    for descriptor, value in message.ListFields():
        if descriptor.message_type is None:
            continue
        inner = [value] if hasattr(value, "ListFields") else value.values() if hasattr(value, "values") else value
        for part in inner:
            if hasattr(part, "ListFields"):
                yield from _file_names(part)
