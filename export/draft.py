"""The draft of an artifact: everything an export has found out so far, handed from stage to stage."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ensharpen_edge.arrays import F32
from ensharpen_edge.artifact import Artifact
from ensharpen_edge.artifact_manifest import Manifest
from ensharpen_edge.export.precision import Precision
from ensharpen_edge.export.proof.gate import GateLimits, GateReport
from ensharpen_edge.export.proof.ladder import ParityReport
from ensharpen_edge.export.proof.trained import TrainedProof, TrainedReport
from ensharpen_edge.export.request import ExportRequest
from ensharpen_edge.export.targets.base import Build, Target
from ensharpen_edge.export.targets.options import Size
from ensharpen_edge.models.network import Network
from ensharpen_edge.progress import Progress
from ensharpen_edge.runtime.codes import float_run
from ensharpen_edge.runtime.engines.base import Engine

T = TypeVar("T")


@dataclass(frozen=True)
class Draft:
    """One artifact in the making. Stages return copies that know more.

    Attributes:
        request: The request, for one precision.
        target: The request's target.
        precision: The request's precision.
        network: As it was trained.
        size: (height, width) of a static file in pixels, or None for free sizes.
        folder: Folder that the artifact grows in.
        progress: Told about each stage.
        resources: Closes what stages open.
        folded: The network that is exported, of plain convolutions.
        build: The written model file.
        manifest: Its description, as far as it is known.
        engine: Runs the written file.
        parity: Report of the parity ladder.
        tile_sizes: Sides of tiles that were compared with the whole, in pixels.
        gate: Report of the quality gate.
        trained: Report on a file of a network that was trained in 8 bits.
    """

    request: ExportRequest
    target: Target
    precision: Precision
    network: Network
    size: Size | None
    folder: Path
    progress: Progress
    resources: ExitStack = field(default_factory=ExitStack)
    folded: Network | None = None
    build: Build | None = None
    manifest: Manifest | None = None
    engine: Engine | None = None
    parity: ParityReport | None = None
    tile_sizes: tuple[int, ...] = ()
    gate: GateReport | None = None
    trained: TrainedReport | None = None

    @property
    def name(self) -> str:
        """Name of the artifact's folder."""
        return artifact_name(self.request.model, self.target.name, self.precision.name)

    @property
    def limits(self) -> GateLimits:
        """Limits of the quality gate at this precision."""
        if self.proof is not None:
            return self.request.limits.of_trained()
        return self.request.limits.of_precision(self.precision.name)

    @property
    def proof(self) -> TrainedProof | None:
        """What a file of a network trained in 8 bits is compared with; None for other files."""
        return self.build.trained if self.build is not None else None

    @property
    def stride(self) -> int:
        """Sides of the network's inputs are multiples of it, in pixels."""
        return self.network.geometry.total_stride

    @property
    def artifact(self) -> Artifact:
        """The unsealed artifact: its manifest names the model file only."""
        return Artifact(self.folder, made(self.manifest))

    @property
    def probed_sizes(self) -> tuple[Size, ...]:
        """Sizes at which the parity ladder is climbed; empty for those of every free file."""
        return self.request.chosen_options.probed_sizes(self.size)

    def exported(self, image: F32) -> F32:
        """Run the written file: float32 (1, 3, H, W) in [0, 1] -> float32 (1, 3, sH, sW)."""
        return float_run(made(self.engine), made(self.build).io, image)

    def evidence(self) -> dict[str, Any]:
        """Return what is known so far, as JSON types, for the report."""
        found: dict[str, Any] = {
            "artifact": self.name,
            "model": self.request.model,
            "checkpoint": self.network.facts.sha256,
        }
        if self.request.fault:
            found["drill"] = self.request.fault
        if self.build is not None and self.build.quantization:
            found["quantization"] = self.build.quantization
        if self.parity is not None:
            found["parity"] = self.parity.to_dict()
        if self.gate is not None:
            found["gate"] = self.gate.to_dict()
        if self.trained is not None:
            found["trained"] = self.trained.to_dict()
        return found


def artifact_name(model: str, target: str, precision: str) -> str:
    """Return the name of an artifact's folder."""
    return f"{Path(model).stem}-{target}-{precision}"


def made(value: T | None) -> T:
    """Return what an earlier stage has made.

    Raises:
        RuntimeError: It has not: the stages are in a wrong order.
    """
    if value is None:
        raise RuntimeError("a stage of the export came before the one it builds on")
    return value
