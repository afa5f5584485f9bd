"""The artifact: a folder with a model file, a manifest that describes and hashes it, and golden vectors.

An exporter writes it under a temporary name and renames it when every gate has passed; `Artifact.open` checks every
hash before anything else reads the files. Only the standard library and numpy are needed on the device.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensharpen_edge.artifact_manifest import Manifest
from ensharpen_edge.errors import IntegrityError
from ensharpen_edge.files import check_hashes, file_hashes, whole_folder

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
        check_hashes(path, manifest.files, "artifact")
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
    with whole_folder(path, "an artifact", _own_files) as folder:
        yield folder


def _own_files(path: Path) -> set[str]:
    """Return the files of an artifact by their paths in its folder.

    Raises:
        OSError, UnicodeDecodeError, IntegrityError: It is none.
    """
    manifest_path = path / MANIFEST
    manifest = Manifest.from_json(manifest_path.read_text(encoding="utf-8"), manifest_path)
    return {MANIFEST, *manifest.files}


def seal(folder: Path, manifest: Manifest) -> Manifest:
    """Hash every file below `folder` and write the manifest beside them. Returns the manifest with the hashes."""
    sealed = dataclasses.replace(manifest, files=file_hashes(folder, but=MANIFEST))
    (folder / MANIFEST).write_text(sealed.to_json(), encoding="utf-8")
    return sealed
