"""The artifact: a folder with a model file, a manifest that describes and hashes it, and golden vectors.

An exporter writes it under a temporary name and renames it when every gate has passed; `Artifact.open` checks every
hash before anything else reads the files. Only the standard library and numpy are needed on the device.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensharpen_edge.artifact_manifest import Manifest
from ensharpen_edge.errors import BadInputError, IntegrityError, UsageError
from ensharpen_edge.files import current_umask, sha256_of

MANIFEST = "manifest.json"
GOLDEN = "golden/vectors.npz"


@dataclass(frozen=True)
class GoldenVectors:
    """Vectors in the artifact's own layout and dtype, with which a device tests itself.

    Attributes:
        input: Image that the file is given.
        expected: What the engine that proved the file made of it.
        truth: The sharp photograph that the input was made from, where integer kernels of other devices may round
            elsewhere: those pass by their score. None where the output itself must be reproduced.
    """

    input: NDArray[Any]
    expected: NDArray[Any]
    truth: NDArray[Any] | None = None


@dataclass(frozen=True)
class Artifact:
    """A verified artifact on disk."""

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: Path | str) -> Artifact:
        """Read the manifest and verify every file.

        Raises:
            IntegrityError: No artifact, a file missing, a byte changed, another schema.
        """
        path = Path(path)
        manifest_path = path / MANIFEST
        try:
            text = manifest_path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise IntegrityError(
                f"{path}: not an artifact (no readable {MANIFEST})",
                hint="make one with: ensharpen-export --target onnx --model nano --out build",
            ) from error
        manifest = Manifest.from_json(text, manifest_path)
        root = path.resolve()
        for name, expected in manifest.files.items():
            file = (path / name).resolve()
            if not file.is_relative_to(root):
                raise IntegrityError(f"{path}: the manifest lists {name!r}, which is outside the artifact")
            if not file.is_file():
                raise IntegrityError(f"{path}: {name} is missing", hint="copy or export the artifact again")
            if sha256_of(file) != expected:
                raise IntegrityError(f"{path}: {name} differs from its sha256", hint="copy or export it again")
        if manifest.model_file not in manifest.files:
            raise IntegrityError(f"{path}: the manifest does not hash its model file {manifest.model_file!r}")
        return cls(path, manifest)

    @property
    def model_path(self) -> Path:
        """Path of the file that a runtime loads."""
        return self.path / self.manifest.model_file

    @property
    def model_bytes(self) -> int:
        """Bytes of the model file, or of the whole package that it belongs to."""
        top = self.manifest.model_file.split("/")[0]
        names = [name for name in self.manifest.files if name.split("/")[0] == top]
        return sum((self.path / name).stat().st_size for name in names)

    def read_model(self) -> bytes:
        """Return the model file's bytes, verified as they are read: nothing can be swapped in between.

        Raises:
            IntegrityError: Unreadable, or other bytes than the manifest's.
        """
        return self.read(self.manifest.model_file)

    def read(self, name: str) -> bytes:
        """Return the bytes of one of the artifact's files, verified as they are read.

        Raises:
            IntegrityError: Unreadable, or other bytes than the manifest's.
        """
        try:
            data = (self.path / name).read_bytes()
        except OSError as error:
            raise IntegrityError(f"{self.path}: {name} cannot be read ({error})") from error
        if hashlib.sha256(data).hexdigest() != self.manifest.files.get(name):
            raise IntegrityError(f"{self.path}: {name} differs from its sha256", hint="copy or export it again")
        return data

    def golden(self) -> GoldenVectors:
        """Return the golden vectors.

        Raises:
            IntegrityError: The file does not hold them.
        """
        try:
            with np.load(io.BytesIO(self.read(GOLDEN)), allow_pickle=False) as data:
                return GoldenVectors(data["input"], data["expected"], data.get("truth"))
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise IntegrityError(f"{self.path}: no readable golden vectors ({error})") from error


@contextmanager
def new_artifact(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes `path` when the block ends without an error, and vanishes otherwise.

    Raises:
        UsageError: `path` exists and is not an artifact, so it is not ours to replace.
        BadInputError: The folder above cannot be written to.
    """
    _check_replaceable(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    except OSError as error:
        raise BadInputError(f"{path.parent}: cannot be written to ({error})") from error
    try:
        yield temporary
        temporary.chmod(0o777 & ~current_umask())
        _swap(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check_replaceable(path: Path) -> None:
    """Refuse a path that is anything but an artifact with nothing of anybody else's in it."""
    if not path.exists() and not path.is_symlink():
        return
    manifest_path = path / MANIFEST
    try:
        manifest = Manifest.from_json(manifest_path.read_text(encoding="utf-8"), manifest_path)
        foreign = {p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()} - {
            MANIFEST,
            *manifest.files,
        }
    except (OSError, UnicodeDecodeError, IntegrityError) as error:
        raise UsageError(f"{path}: exists and is not an artifact", hint="choose another --out, or remove it") from error
    if foreign or path.is_symlink():
        what = min(foreign) if foreign else "a link"
        raise UsageError(f"{path}: holds what is not the artifact's ({what})", hint="choose another --out")


def _swap(temporary: Path, path: Path) -> None:
    """Put `temporary` in the place of `path`; on failure what was there is there again."""
    if not path.exists():
        temporary.rename(path)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name}-old-", dir=path.parent))
    path.rename(aside / path.name)
    try:
        temporary.rename(path)
    except OSError:
        (aside / path.name).rename(path)
        aside.rmdir()
        raise
    shutil.rmtree(aside, ignore_errors=True)


def file_hashes(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file below `folder` but the manifest, by its path in the folder."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)
    return {p.relative_to(folder).as_posix(): sha256_of(p) for p in files}


def seal(folder: Path, manifest: Manifest) -> Manifest:
    """Hash every file below `folder` and write the manifest beside them. Returns the manifest with the hashes."""
    sealed = dataclasses.replace(manifest, files=file_hashes(folder))
    (folder / MANIFEST).write_text(sealed.to_json(), encoding="utf-8")
    return sealed
