"""The artifact: a folder with a model file, a manifest that describes and hashes it, and golden vectors.

An exporter writes it under a temporary name and renames it when every gate has passed; `Artifact.open` checks every
hash before anything else reads the files. Only the standard library and numpy are needed on the device.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import math
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
from ensharpen_edge.whole_file import current_umask

SCHEMA = 2
"""Version of the manifest's layout. A reader refuses any other."""

C = TypeVar("C")

LAYOUTS = ("NCHW", "NHWC")
FLOAT_DTYPE = "float32"
CODE_DTYPES = ("uint8", "int8")
DTYPES = (FLOAT_DTYPE, *CODE_DTYPES)
MANIFEST = "manifest.json"
GOLDEN = "golden/vectors.npz"


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise IntegrityError(f"the manifest's contract cannot be met: {what}", hint="export the artifact again")


def _finite(*values: float) -> bool:
    return all(isinstance(value, (int, float)) and math.isfinite(value) for value in values)


@dataclass(frozen=True)
class IoContract:
    """What goes in and out of the model file.

    Attributes:
        input_name, output_name: Tensor names.
        layout: `NCHW` or `NHWC`.
        dtype: numpy name of both tensors' type: `float32`, `uint8` (8-bit pixels), or `int8` (8-bit pixels less 128).
        value_range: Black and white.
        mean, scale: The network sees `(pixel - mean) / scale` per channel; the runtime applies it.
        channels: Order of the colour channels.
        colour_space: Transfer curve and primaries the network was trained on.
        enlarges: How many times as high and wide as the input the output is.
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
    enlarges: int = 1

    @property
    def ends(self) -> tuple[float, float]:
        """What black and white are as numbers of `dtype`."""
        return {"uint8": (0.0, 255.0), "int8": (-128.0, 127.0)}.get(self.dtype, self.value_range)

    def __post_init__(self) -> None:
        low, high = self.value_range
        _require(self.layout in LAYOUTS, f"layout {self.layout!r}, known: {', '.join(LAYOUTS)}")
        _require(self.dtype in DTYPES, f"dtype {self.dtype!r}, known: {', '.join(DTYPES)}")
        _require(type(self.enlarges) is int and self.enlarges >= 1, f"enlarges {self.enlarges!r}")
        _require(self.channels == "RGB", f"channels {self.channels!r}, this version feeds RGB only")
        _require(_finite(low, high) and low < high, f"value range {self.value_range}")
        _require(len(self.mean) == len(self.scale) == 3 and _finite(*self.mean, *self.scale), "mean or scale")
        _require(all(value != 0 for value in self.scale), "a scale of 0")
        plain = (self.value_range, self.mean, self.scale) == ((0.0, 1.0), (0.0,) * 3, (1.0,) * 3)
        _require(self.dtype == FLOAT_DTYPE or plain, f"{self.dtype} with another range than that of 8-bit pixels")


@dataclass(frozen=True)
class ShapeContract:
    """Which sizes the model file takes, and how to cut a photograph for it.

    Attributes:
        height, width: The only size it takes, or None for any.
        multiple_of: Sides, and tile origins, must be multiples of this.
        halo: Context around a tile, in pixels, that makes tiled output equal to untiled output.
        receptive_radius: Farthest input pixel that an output pixel depends on.
        tile_exact: Whether tiled output was found equal to untiled output, bit for bit.
        largest: (height, width) of the largest window that the file takes, or None for any.
        smallest: The same of the smallest.
        tile_sizes: Tile sides it was tried with.
    """

    height: int | None
    width: int | None
    multiple_of: int
    halo: int
    receptive_radius: int
    tile_exact: bool = False
    largest: tuple[int, int] | None = None
    smallest: tuple[int, int] | None = None
    tile_sizes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in ("multiple_of", "halo", "receptive_radius", "height", "width"):
            value = getattr(self, name)
            optional = name in ("height", "width")
            _require((value is None and optional) or type(value) is int, f"{name} {value!r}")
        _require(self.multiple_of >= 1 and self.halo >= 0, f"multiple_of {self.multiple_of}, halo {self.halo}")
        _require((self.height is None) == (self.width is None), "only one of height and width")
        for side in (self.height, self.width):
            _require(side is None or (side > 0 and side % self.multiple_of == 0), f"fixed side {side}")


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
        quantization: How it was quantized, and which layers were not.
        graph: What the file is made of: operators, who runs them, the oldest runtime.
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
    quantization: dict[str, Any] = field(default_factory=dict)
    graph: dict[str, Any] = field(default_factory=dict)
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
        if not isinstance(body.get("files"), dict) or not isinstance(body.get("target"), str):
            raise IntegrityError(f"{path}: files or target are of the wrong type", hint="export it again")
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

    input: NDArray[Any]
    expected: NDArray[Any]


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

    @property
    def model_bytes(self) -> int:
        """Size of that file, or of the whole package that it belongs to."""
        top = self.manifest.model_file.split("/")[0]
        names = [name for name in self.manifest.files if name.split("/")[0] == top]
        return sum((self.path / name).stat().st_size for name in names)

    def read_model(self) -> bytes:
        """The model file's bytes, verified as they are read: nothing can be swapped in between.

        Raises:
            IntegrityError: Unreadable, or other bytes than the manifest's.
        """
        return self._read(self.manifest.model_file)

    def _read(self, name: str) -> bytes:
        try:
            data = (self.path / name).read_bytes()
        except OSError as error:
            raise IntegrityError(f"{self.path}: {name} cannot be read ({error})") from error
        if hashlib.sha256(data).hexdigest() != self.manifest.files.get(name):
            raise IntegrityError(f"{self.path}: {name} differs from its sha256", hint="copy or export it again")
        return data

    def golden(self) -> GoldenVectors:
        """The golden vectors.

        Raises:
            IntegrityError: The file does not hold them.
        """
        try:
            with np.load(io.BytesIO(self._read(GOLDEN)), allow_pickle=False) as data:
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
    """Only an artifact with nothing of anybody else's in it may be replaced."""
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
