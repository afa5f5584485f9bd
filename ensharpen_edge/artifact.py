"""The artifact: a folder with a model file, a manifest that describes and hashes it, and golden vectors.

An exporter writes it under a temporary name and renames it when every gate has passed; `Artifact.open` checks every
hash before anything else reads the files. Only the standard library and numpy are needed on the device.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ensharpen_edge.errors import BadInputError, IntegrityError, UsageError

SCHEMA = 1
"""Version of the manifest's layout. A reader refuses any other."""

C = TypeVar("C")

MANIFEST = "manifest.json"
GOLDEN = "golden/vectors.npz"


@dataclass(frozen=True)
class IoContract:
    """What goes in and out of the model file.

    Attributes:
        input_name, output_name: Tensor names.
        layout: `NCHW` or `NHWC`.
        dtype: numpy name of both tensors' type.
        value_range: Black and white.
        mean, scale: The network sees `(pixel - mean) / scale` per channel; the runtime applies it.
        channels: Order of the colour channels.
        colour_space: Transfer curve and primaries the network was trained on.
    """

    input_name: str
    output_name: str
    layout: str = "NCHW"
    dtype: str = "float32"
    value_range: tuple[float, float] = (0.0, 1.0)
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    channels: str = "RGB"
    colour_space: str = "sRGB"


@dataclass(frozen=True)
class ShapeContract:
    """Which sizes the model file takes, and how to cut a photograph for it.

    Attributes:
        height, width: The only size it takes, or None for any.
        multiple_of: Sides, and tile origins, must be multiples of this.
        halo: Context around a tile, in pixels, that makes tiled output equal to untiled output.
        receptive_radius: Farthest input pixel that an output pixel depends on.
        tile_exact: Whether tiled output equals untiled output at all.
        tile_sizes: Sizes the artifact was tested with.
    """

    height: int | None
    width: int | None
    multiple_of: int
    halo: int
    receptive_radius: int
    tile_exact: bool = True
    tile_sizes: tuple[int, ...] = (256, 512, 1024)


@dataclass(frozen=True)
class Manifest:
    """Description of an artifact; `manifest.json` holds these fields and a digest of them.

    Attributes:
        name: Model name, e.g. `nano`.
        target, precision: What it was exported for.
        task: What it does to a photograph.
        model_file: The file a runtime loads.
        io, shape: The contracts above.
        source: The checkpoint it came from (sha256, configuration, training data).
        files: sha256 of every file of the folder but the manifest.
        calibration_key: Key of the calibration table, for quantized artifacts.
        tools: Versions that made it.
        parity, gate: Reports of the export.
        build: When and on what it was made.
    """

    name: str
    target: str
    precision: str
    task: str
    model_file: str
    io: IoContract
    shape: ShapeContract
    source: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)
    calibration_key: str | None = None
    tools: dict[str, str] = field(default_factory=dict)
    parity: dict[str, Any] = field(default_factory=dict)
    gate: dict[str, Any] = field(default_factory=dict)
    build: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """The manifest file's text: the fields, the schema version, and the digest over both."""
        body = {"schema": SCHEMA, **dataclasses.asdict(self)}
        return json.dumps({**body, "digest": _digest(body)}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, path: Path) -> Manifest:
        """Parse and check a manifest.

        Raises:
            IntegrityError: Not JSON, another schema version, altered since it was written, or fields missing.
        """
        try:
            body = json.loads(text)
            stated = body.pop("digest")
            schema = body["schema"]
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise IntegrityError(f"{path}: not an artifact manifest ({error!r})") from error
        if schema != SCHEMA:
            raise IntegrityError(
                f"{path}: manifest schema {schema}, this version reads {SCHEMA}",
                hint="export the artifact again",
            )
        if stated != _digest(body):
            raise IntegrityError(f"{path}: the manifest was altered after it was written", hint="export it again")
        del body["schema"]
        try:
            return cls(
                **{
                    **body,
                    "io": _contract(IoContract, body["io"]),
                    "shape": _contract(ShapeContract, body["shape"]),
                }
            )
        except (TypeError, KeyError) as error:
            raise IntegrityError(f"{path}: incomplete manifest ({error})") from error


def _digest(body: dict[str, Any]) -> str:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _contract(kind: type[C], values: dict[str, Any]) -> C:
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


def sha256_of(path: Path) -> str:
    """sha256 of a file's bytes, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@dataclass(frozen=True)
class GoldenVectors:
    """Input and expected output, in the artifact's own layout and dtype, with which a device tests itself."""

    input: NDArray[np.float32]
    expected: NDArray[np.float32]


@dataclass(frozen=True)
class Artifact:
    """A verified artifact on disk."""

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: Path) -> Artifact:
        """Read the manifest and verify every file.

        Raises:
            IntegrityError: No artifact, a file missing, a byte changed, another schema.
        """
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
        """The file a runtime loads."""
        return self.path / self.manifest.model_file

    def golden(self) -> GoldenVectors:
        """The golden vectors.

        Raises:
            IntegrityError: The file does not hold them.
        """
        try:
            with np.load(self.path / GOLDEN, allow_pickle=False) as data:
                return GoldenVectors(data["input"], data["expected"])
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise IntegrityError(f"{self.path}: no readable golden vectors ({error})") from error


@contextmanager
def new_artifact(path: Path) -> Iterator[Path]:
    """A temporary folder that becomes `path` when the block ends without an error, and vanishes otherwise.

    Raises:
        UsageError: `path` exists and is not an artifact, so it is not ours to replace.
        BadInputError: The folder above cannot be written to.
    """
    if path.exists() and not (path / MANIFEST).is_file():
        raise UsageError(f"{path}: exists and is not an artifact", hint="choose another --out")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    except OSError as error:
        raise BadInputError(f"{path.parent}: cannot be written to ({error})") from error
    try:
        yield temporary
        temporary.chmod(0o755)
        if path.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{path.name}-old-", dir=path.parent))
            path.rename(old / path.name)
            temporary.rename(path)
            shutil.rmtree(old)
        else:
            temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def seal(folder: Path, manifest: Manifest) -> Manifest:
    """Hash every file below `folder` and write the manifest beside them. Returns the manifest with the hashes."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)
    sealed = dataclasses.replace(manifest, files={p.relative_to(folder).as_posix(): sha256_of(p) for p in files})
    (folder / MANIFEST).write_text(sealed.to_json(), encoding="utf-8")
    return sealed
