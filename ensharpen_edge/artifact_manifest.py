"""The manifest of an artifact: the contracts of its images and sizes, and the manifest that holds them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ensharpen_edge.errors import IntegrityError

SCHEMA = 3
"""Version of the manifest's layout. A reader refuses any other."""

C = TypeVar("C")

LAYOUTS = ("NCHW", "NHWC")
FLOAT_DTYPE = "float32"
CODE_DTYPES = ("uint8", "int8")
DTYPES = (FLOAT_DTYPE, *CODE_DTYPES)


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise IntegrityError(f"the manifest's contract cannot be met: {what}", hint="export the artifact again")


def _finite(*values: float) -> bool:
    return all(isinstance(value, (int, float)) and math.isfinite(value) for value in values)


@dataclass(frozen=True)
class IoContract:
    """Inputs and outputs of the model file.

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
        """Black and white as numbers of `dtype`."""
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


FORMATS = ("onnx", "openvino-ir", "tflite", "mlpackage", "trt-engine")


@dataclass(frozen=True)
class FileTraits:
    """Traits of the model file, which readers ask for instead of the target's name.

    Attributes:
        format: One of `FORMATS`; engines say which formats they run.
        grid: Sides of inputs of free size must be multiples of this, in pixels.
        pictures: Whether the file takes and returns the system's pictures instead of arrays.
        can_be_timed: Whether running this very file shows how fast the target is; not so for graphs that become
            another file on the device.
    """

    format: str
    grid: int = 1
    pictures: bool = False
    can_be_timed: bool = True

    def __post_init__(self) -> None:
        _require(self.format in FORMATS, f"format {self.format!r}, known: {', '.join(FORMATS)}")
        _require(type(self.grid) is int and self.grid >= 1, f"grid {self.grid!r}")
        _require(type(self.pictures) is bool and type(self.can_be_timed) is bool, "a trait that is not true or false")


@dataclass(frozen=True)
class GoldenLimits:
    """How a device's output for the golden image may differ from the expected one.

    Attributes:
        agreement: Smallest PSNR between the two, dB; where a manifest does not say, that of the loosest precision.
        score_drop: How much worse than the expected output it may be against the truth, dB, where the golden vectors
            hold the truth; else None.
    """

    agreement: float = 44.0
    score_drop: float | None = None

    def __post_init__(self) -> None:
        drop = 0.0 if self.score_drop is None else self.score_drop
        _require(_finite(self.agreement, drop), f"limits of the golden image {self.agreement}, {self.score_drop}")


@dataclass(frozen=True)
class Manifest:
    """Description of an artifact; `manifest.json` holds these fields and a digest of them.

    Attributes:
        name: Model name, e.g. `nano`.
        target, precision: Target and precision that it was exported for.
        task: The network's task, such as `sharpen`.
        model_file: The file a runtime loads.
        traits, io, shape: The contracts above.
        source: The checkpoint it came from (sha256, configuration, training data).
        files: sha256 of every file of the folder but the manifest.
        golden: How a device's output for the golden image may differ.
        calibration_key: Key of the calibration table, for quantized artifacts.
        quantization: How it was quantized, and which layers were not.
        graph: Make of the file: operators, who runs them, the oldest runtime.
        tools: Versions that made it.
        parity, gate: Reports of the export.
        build: When and on what it was made.
    """

    name: str
    target: str
    precision: str
    task: str
    model_file: str
    traits: FileTraits
    io: IoContract
    shape: ShapeContract
    source: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)
    golden: GoldenLimits = GoldenLimits()
    calibration_key: str | None = None
    quantization: dict[str, Any] = field(default_factory=dict)
    graph: dict[str, Any] = field(default_factory=dict)
    tools: dict[str, str] = field(default_factory=dict)
    parity: dict[str, Any] = field(default_factory=dict)
    gate: dict[str, Any] = field(default_factory=dict)
    build: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the manifest file's text: the fields, the schema version, and the digest over both."""
        body = {"schema": SCHEMA, **dataclasses.asdict(self)}
        return json.dumps({**body, "digest": body_digest(body)}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, path: Path) -> Manifest:
        """Parse, check and return a manifest.

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
        if stated != body_digest(body):
            raise IntegrityError(f"{path}: the manifest was altered after it was written", hint="export it again")
        del body["schema"]
        if not isinstance(body.get("files"), dict) or not isinstance(body.get("target"), str):
            raise IntegrityError(f"{path}: files or target are of the wrong type", hint="export it again")
        try:
            return cls(
                **{
                    **body,
                    "traits": _contract(FileTraits, body["traits"]),
                    "io": _contract(IoContract, body["io"]),
                    "shape": _contract(ShapeContract, body["shape"]),
                    "golden": _contract(GoldenLimits, body.get("golden", {})),
                }
            )
        except (TypeError, KeyError) as error:
            raise IntegrityError(f"{path}: incomplete manifest ({error})") from error


def body_digest(body: dict[str, Any]) -> str:
    """Return the sha256 of a manifest's body, JSON types, written in one way."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _contract(kind: type[C], values: dict[str, Any]) -> C:
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})
