"""Requests for exports."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from ensharpen_edge.errors import UsageError
from ensharpen_edge.export.precision import find_precision
from ensharpen_edge.export.proof.drills import FAULTS
from ensharpen_edge.export.proof.gate import GateLimits
from ensharpen_edge.export.quantization import QuantizationRequest, refuse_idle
from ensharpen_edge.export.targets.base import Target
from ensharpen_edge.export.targets.options import Size, TargetOptions
from ensharpen_edge.export.targets.registry import check_precision, choose_image_dtype, choose_scheme, find_target

LARGEST_SIDE = 8192
"""Largest side of a static graph, in pixels: larger photographs are cut into windows anyway."""


@dataclass(frozen=True)
class ExportRequest:
    """One model to export for one target, in one precision or several.

    Attributes:
        model: Name of a shipped model, or path of a checkpoint.
        target: Name in the registry of targets.
        precision: One of the target's precisions, or several.
        out: Folder that the artifact's folder is created in.
        size: (height, width) of a static graph in pixels, or None for the target's default, mostly free sizes.
        data: Folders of sharp photographs or real pairs for the quality gate; none: those in the package.
        fault: Stage to damage in a drill (`drills.FAULTS`), or None.
        limits: Limits of the quality gate.
        quantization: For calibrated precisions; None for the usual: the table and the plan of a shipped model.
        image_dtype: numpy name of the dtype of the file's images (`artifact_manifest.DTYPES`), or None for the
            target's choice.
        options: The target's own options, e.g. `CoremlOptions`; None for its defaults.

    Raises:
        UsageError: An unknown name, a size or a combination that the target cannot have, or something that could have
            no effect.
    """

    model: str
    target: str
    precision: str | tuple[str, ...]
    out: Path
    size: Size | None = None
    data: tuple[Path, ...] = ()
    fault: str | None = None
    limits: GateLimits = field(default_factory=GateLimits)
    quantization: QuantizationRequest | None = None
    image_dtype: str | None = None
    options: TargetOptions | None = None

    def __post_init__(self) -> None:
        target = find_target(self.target)
        if self.options is not None and not isinstance(self.options, target.options):
            raise UsageError(
                f"{type(self.options).__name__} are for {self.options.files}, not for {target.options.files}"
            )
        for name in self.precisions or ("",):
            check_precision(target, name)
            choose_image_dtype(target, name, self.image_dtype)
        _check_sizes(self.chosen_options.sizes(self.size), target.grid)
        if self.fault is not None and self.fault not in FAULTS:
            raise UsageError(f"unknown stage {self.fault!r} for a drill", hint=f"known: {', '.join(FAULTS)}")
        calibrated = [name for name in self.precisions if find_precision(name).calibrated]
        if self.quantization is not None and not calibrated:
            refuse_idle(self.quantization.given(), "no precision with codes was asked for")
        for name in calibrated:
            self.complete_quantization(name)

    @property
    def precisions(self) -> tuple[str, ...]:
        """Precisions that were asked for, each once."""
        return (self.precision,) if isinstance(self.precision, str) else tuple(dict.fromkeys(self.precision))

    @property
    def chosen_options(self) -> TargetOptions:
        """The target's options, its defaults where none are given."""
        return self.options or find_target(self.target).options()

    def each(self) -> tuple[ExportRequest, ...]:
        """Return one request for each precision, without what could have no effect there."""
        return tuple(
            replace(self, precision=name, quantization=self.quantization if find_precision(name).calibrated else None)
            for name in self.precisions
        )

    def complete_quantization(self, precision: str) -> QuantizationRequest | None:
        """Return how a precision is calibrated, with the table of a shipped model and the target's scheme where none
        are given; None for a precision that needs no calibration.

        Raises:
            UsageError: There is nothing to calibrate with, or something could have no effect.
        """
        target: Target = find_target(self.target)
        if not find_precision(precision).calibrated:
            return None
        wanted = self.quantization or QuantizationRequest()
        scheme = choose_scheme(target, precision, wanted.scheme)
        return wanted.completed(self.model, precision, scheme, target.takes_trained)


def _check_sizes(sizes: tuple[Size, ...], grid: int) -> None:
    for height, width in sizes:
        if any(side % grid or not 0 < side <= LARGEST_SIDE for side in (height, width)):
            raise UsageError(f"--size {height}x{width}: sides must be multiples of {grid} up to {LARGEST_SIDE}")
