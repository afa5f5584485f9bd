"""What an export is asked for, and what a target hands back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ensharpen_edge.artifact import FLOAT_DTYPE, IoContract
from ensharpen_edge.errors import UsageError
from ensharpen_edge.export.gate import GateLimits
from ensharpen_edge.export.parity import Rung
from ensharpen_edge.export.quantization import QuantizationRequest, Step
from ensharpen_edge.models.config import TOTAL_STRIDE
from ensharpen_edge.models.student import Student
from ensharpen_edge.runtime.mil.sizes import ALIGNMENT

FAULTS = ("folded", "artifact")
"""Stages that a drill can damage on purpose, to see the gate refuse the result."""

QUANTIZED = ("int8", "int16x8")
"""Precisions that need calibration."""

LARGEST_SIDE = 8192
"""Of a static graph: larger photographs are cut into windows anyway."""


Size = tuple[int, int]
"""(height, width) in pixels."""


@dataclass(frozen=True)
class CoremlOptions:
    """What only Core ML packages can be.

    Attributes:
        deployment: Oldest system that the package is for, or None for the oldest that can run it.
        more_sizes: That it takes besides the first one.
        flexible: It takes all sizes between the smallest and the largest of them.
        compiled: Beside the package its compiled form is wanted.
    """

    deployment: str | None = None
    more_sizes: tuple[Size, ...] = ()
    flexible: bool = False
    compiled: bool = False


@dataclass(frozen=True)
class ExportRequest:
    """One export.

    Attributes:
        model: Name of a shipped model, or path of a checkpoint.
        target, precision: Registry name; one of the target's precisions.
        out: Folder that the artifact's folder is created in.
        size: (height, width) of a static graph, or None for a dynamic one.
        data: Folders of sharp photographs or real pairs for the quality gate; none: those in the package.
        fault: Stage to damage in a drill (`FAULTS`), or None.
        limits: What the quality gate demands.
        quantization: For the precisions in `QUANTIZED`.
        coreml: See `CoremlOptions`.
        require_delegate: Name of a delegate that must run the whole file, or None.
        image_dtype: What image the file takes and returns (`artifact.DTYPES`), or None for the target's choice.
    """

    model: str
    target: str
    precision: str
    out: Path
    size: tuple[int, int] | None = None
    data: tuple[Path, ...] = ()
    fault: str | None = None
    limits: GateLimits = field(default_factory=GateLimits)
    quantization: QuantizationRequest | None = None
    image_dtype: str | None = None
    require_delegate: str | None = None
    coreml: CoremlOptions = field(default_factory=CoremlOptions)

    def __post_init__(self) -> None:
        if self.precision in QUANTIZED and self.quantization is None:
            raise UsageError(
                f"{self.precision} needs photographs, or a calibration table made from them",
                hint="--calib my_photos",
            )
        step = ALIGNMENT if self.target == "coreml" else TOTAL_STRIDE
        for height, width in self.sizes:
            if any(side % step or not 0 < side <= LARGEST_SIDE for side in (height, width)):
                raise UsageError(f"--size {height}x{width}: sides must be multiples of {step} up to {LARGEST_SIDE}")
        if self.target != "coreml" and self.coreml != CoremlOptions():
            raise UsageError("several sizes, --flexible, --compile and --deployment are for coreml packages")
        if self.target != "tflite" and self.require_delegate is not None:
            raise UsageError("--require-delegate is for tflite files: other targets have no delegates")
        if self.coreml.flexible and not self.coreml.more_sizes:
            raise UsageError("--flexible needs two sizes to lie between", hint="--size 256x256,1024x1024")
        if self.fault is not None and self.fault not in FAULTS:
            raise UsageError(f"unknown stage {self.fault!r} for a drill", hint=f"known: {', '.join(FAULTS)}")

    @property
    def sizes(self) -> tuple[Size, ...]:
        """All that were named, the usual one first."""
        return (self.size, *self.coreml.more_sizes) if self.size else ()

    @property
    def probed_sizes(self) -> tuple[Size, ...]:
        """Those that the ladder is climbed at: of a range also one in the middle, on the grid of its ends."""
        if not self.coreml.flexible:
            return self.sizes
        heights, widths = zip(*self.sizes, strict=True)
        return (*self.sizes, (_between(heights), _between(widths)))


def _between(sides: tuple[int, ...]) -> int:
    low, high = min(sides), max(sides)
    grid = math.gcd(low, high)
    return low + (high - low) // grid // 2 * grid


@dataclass(frozen=True)
class BuildJob:
    """What a target is given.

    Attributes:
        student: Folded, in evaluation mode.
        precision: One of the target's.
        size: Static (height, width), or None.
        folder: Where the model file goes.
        title: Human-readable name, for the file's own metadata.
        weights: sha256 of the checkpoint.
        licence: Of the weights.
        training: From the checkpoint's card.
        quantization: See `ExportRequest`.
        image_dtype: In `artifact.DTYPES`.
        require_delegate, coreml: See `ExportRequest`.
        tables: Folder for calibration tables.
        step: Called with what is going on.
    """

    student: Student
    precision: str
    size: tuple[int, int] | None
    folder: Path
    title: str
    weights: str = ""
    licence: str = "not stated"
    training: dict[str, Any] = field(default_factory=dict)
    quantization: QuantizationRequest | None = None
    image_dtype: str = FLOAT_DTYPE
    require_delegate: str | None = None
    coreml: CoremlOptions = field(default_factory=CoremlOptions)
    tables: Path = Path()
    step: Step = lambda _text: None


@dataclass(frozen=True)
class Build:
    """What a target hands back.

    Attributes:
        model_file: Name of the written file in the job's folder.
        io: How to feed it.
        rungs: The intermediate forms, in order, able to run; the finished file is added by the pipeline.
        tools: Versions of what made it.
        quantization: What `Quantized.describe` says, for quantized files.
        calibration_key: Of the table.
        graph: See `Manifest.graph`.
        target: Whose backend runs the file (see `runtime.registry`), where it is another than the export's.
        device: Of that backend, for the ladder and the gate.
        tileable: Whether a tile is computed like the whole; not where ranges are taken from what a run sees.
    """

    model_file: str
    io: IoContract
    rungs: tuple[Rung, ...]
    tools: dict[str, str]
    quantization: dict[str, Any] = field(default_factory=dict)
    calibration_key: str | None = None
    graph: dict[str, Any] = field(default_factory=dict)
    tileable: bool = True
    target: str | None = None
    device: str = "cpu"


class Target(Protocol):
    """One export target. Implementations live in `export/targets/`, one file each.

    Attributes:
        name: In the registry.
        precisions: Offered.
        schemes: Quantization schemes by precision, the usual one first; precisions without need no calibration.
        default_size: (height, width) where files have one size and none was asked for; None for free sizes.
        image_dtypes: Of the file's images by precision, the usual one first; without an entry, `float32` only.
    """

    name: str
    precisions: tuple[str, ...]
    schemes: Mapping[str, tuple[str, ...]]
    image_dtypes: Mapping[str, tuple[str, ...]]
    default_size: tuple[int, int] | None

    def check_available(self) -> None:
        """Raise `MissingToolError` when a package is missing."""
        ...

    def build(self, job: BuildJob) -> Build:
        """Write the model file."""
        ...
