"""The target protocol: what a target is given and what it hands back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ensharpen_edge.artifact_manifest import FLOAT_DTYPE, FileTraits, IoContract
from ensharpen_edge.errors import UsageError
from ensharpen_edge.export.precision import Precision
from ensharpen_edge.export.proof.ladder import Rung
from ensharpen_edge.export.proof.trained import TrainedProof
from ensharpen_edge.export.quantization import QuantizationRequest
from ensharpen_edge.export.targets.options import Size, TargetOptions
from ensharpen_edge.models.network import Network
from ensharpen_edge.progress import Progress, no_progress

O = TypeVar("O", bound=TargetOptions)  # noqa: E741


@dataclass(frozen=True)
class BuildJob:
    """One model file to write.

    Attributes:
        network: Folded.
        precision: One of the target's.
        size: (height, width) of a static file, or None for free sizes.
        folder: Folder that the model file goes to.
        options: The target's own.
        quantization: For calibrated precisions, complete (see `QuantizationRequest.completed`).
        image_dtype: numpy name of the file's images, in `artifact_manifest.DTYPES`.
        tables: Folder for calibration tables.
        progress: Told about long steps.
    """

    network: Network
    precision: Precision
    size: Size | None
    folder: Path
    options: TargetOptions = field(default_factory=TargetOptions)
    quantization: QuantizationRequest | None = None
    image_dtype: str = FLOAT_DTYPE
    tables: Path = Path()
    progress: Progress = no_progress

    @property
    def title(self) -> str:
        """Human-readable name, for the file's own metadata."""
        return f"EnSharpen Edge {self.network.name}"

    @property
    def sizes(self) -> tuple[Size, ...]:
        """Every size that the file takes, the usual one first; empty for free sizes."""
        return self.options.sizes(self.size)

    def options_of(self, kind: type[O]) -> O:
        """Return the options, checked to be of the target's type.

        Raises:
            UsageError: They are another target's.
        """
        if not isinstance(self.options, kind):
            raise UsageError(f"{type(self.options).__name__} are for {self.options.files}, not for {kind.files}")
        return self.options


@dataclass(frozen=True)
class Build:
    """A written model file.

    Attributes:
        model_file: Name of the file in the job's folder.
        traits: Format, grid and kind of the file.
        io: Names, layout and dtype of its images.
        rungs: Intermediate forms, in order, able to run; the pipeline adds the finished file.
        tools: Versions that made it.
        quantization: Description of a quantized file (see `Quantized.describe`).
        calibration_key: Key of the calibration table.
        graph: See `Manifest.graph`.
        trained: Proof of a file that was made from a network trained in 8 bits; None for others.
        tileable: Whether a tile is computed like the whole; not where ranges are taken from what a run sees.
        device: Device of the engine that runs it for the ladder and the gate.
    """

    model_file: str
    traits: FileTraits
    io: IoContract
    rungs: tuple[Rung, ...]
    tools: dict[str, str]
    quantization: dict[str, Any] = field(default_factory=dict)
    calibration_key: str | None = None
    graph: dict[str, Any] = field(default_factory=dict)
    trained: TrainedProof | None = None
    tileable: bool = True
    device: str = "cpu"


class Target(Protocol):
    """One export target: `export/targets/NAME/` with `target.py`, where it is called `TARGET`, and `options.py`, where
    the type of its options is called `OPTIONS`.

    Attributes:
        name: Name in the registry, in manifests and in file names.
        precisions: Names of the precisions that it writes.
        schemes: Quantization schemes by calibrated precision, the usual one first.
        takes_trained: Whether its int8 files can be made from networks trained in 8 bits.
        image_dtypes: Dtypes of the file's images by precision, the usual one first; without an entry, `float32` only.
        options: Type of its options.
        default_size: (height, width) where files have one size and none was asked for; None for free sizes.
        grid: Static sides must be multiples of it, in pixels, whatever the network needs.
    """

    name: str
    precisions: tuple[str, ...]
    schemes: Mapping[str, tuple[str, ...]]
    takes_trained: bool
    image_dtypes: Mapping[str, tuple[str, ...]]
    options: type[TargetOptions]
    default_size: Size | None
    grid: int

    def check_available(self) -> None:
        """Raise `MissingToolError` when a package is missing."""
        ...

    def build(self, job: BuildJob) -> Build:
        """Write the model file."""
        ...
