"""`bundle.json`: what a bundle holds, with the hash of every file and a digest over all of it."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from ensharpen_edge.artifact import MANIFEST
from ensharpen_edge.artifact_manifest import body_digest
from ensharpen_edge.errors import IntegrityError
from ensharpen_edge.files import check_hashes

BUNDLE = "bundle.json"
SCHEMA = 1


@dataclass(frozen=True)
class BundledModel:
    """One artifact in a bundle.

    Attributes:
        name: Name in the bundle, unique.
        folder: Its folder, a path in the bundle with forward slashes.
        target, precision, task: From its manifest.
    """

    name: str
    folder: str
    target: str
    precision: str
    task: str


@dataclass(frozen=True)
class BundleManifest:
    """Description of a bundle.

    Attributes:
        platform: Name of the platform it was made for.
        models: The artifacts in it.
        files: sha256 of every file of the bundle but this one, by its path.
        tools: Versions that made it, by name.
    """

    platform: str
    models: tuple[BundledModel, ...]
    files: dict[str, str]
    tools: dict[str, str]

    def to_json(self) -> str:
        """Return the file's text: the fields, the schema, and the digest over both."""
        body = {"schema": SCHEMA, **dataclasses.asdict(self)}
        return json.dumps({**body, "digest": body_digest(body)}, indent=2) + "\n"

    @classmethod
    def read(cls, folder: Path) -> BundleManifest:
        """Read the manifest of the bundle in a folder.

        Raises:
            IntegrityError: There is none, it was altered, or it is of another schema.
        """
        path = folder / BUNDLE
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
            stated, schema = body.pop("digest"), body.pop("schema")
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise IntegrityError(
                f"{folder}: not a bundle (no readable {BUNDLE}: {error!r})", hint="make one with: ensharpen-bundle"
            ) from error
        if schema != SCHEMA:
            raise IntegrityError(
                f"{path}: a bundle of schema {schema}, this version reads {SCHEMA}", hint="make the bundle again"
            )
        if stated != body_digest({"schema": schema, **body}):
            raise IntegrityError(f"{path}: was altered after it was written", hint="copy or make the bundle again")
        if not (isinstance(body.get("files"), dict) and isinstance(body.get("models"), list)):
            raise IntegrityError(f"{path}: files or models are of the wrong type", hint="make the bundle again")
        try:
            return cls(**{**body, "models": tuple(BundledModel(**model) for model in body["models"])})
        except TypeError as error:
            raise IntegrityError(f"{path}: incomplete ({error})") from error

    def size(self, folder: Path) -> int:
        """Return the bytes of all files that are listed."""
        return sum((folder / name).stat().st_size for name in self.files)

    def check_files(self, folder: Path) -> None:
        """Compare every file with its hash.

        Raises:
            IntegrityError: One is missing, altered, or outside the bundle; names it.
        """
        check_hashes(folder, self.files, "bundle")
        root = folder.resolve()
        for model in self.models:
            if not (folder / model.folder).resolve().is_relative_to(root):
                raise IntegrityError(f"{folder}: {BUNDLE} names a model that is outside the bundle ({model.folder!r})")
            if f"{model.folder}/{MANIFEST}" not in self.files:
                raise IntegrityError(f"{folder}: the files of {model.name} are not listed in {BUNDLE}")


def installed(name: str) -> bool:
    """Return whether a file came into a bundle by npm: it belongs to nobody, and is made again at any time."""
    return name.startswith("node_modules/") or name == "package-lock.json"
