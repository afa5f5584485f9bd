"""The regression gate: a request, the verdicts on all benchmarks, and what they mean for a job."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ensharpen_edge.benchmarks.regression.comparison import (
    compare_effort,
    compare_versions,
    gate_quality,
    pair_artifacts,
)
from ensharpen_edge.benchmarks.regression.decision import FEWEST_SAMPLES, GateRules, Outcome, Verdict
from ensharpen_edge.benchmarks.regression.measured_quality import measured_quality
from ensharpen_edge.benchmarks.speed.machine import NotComparableError
from ensharpen_edge.errors import EnsharpenError, ExitCode, UsageError
from ensharpen_edge.imaging.photo_folder import photo_files
from ensharpen_edge.progress import Progress, no_progress


class RegressionError(EnsharpenError):
    """A new version is slower, over budget, worse, or gone."""

    exit_code = ExitCode.PERFORMANCE


@dataclass(frozen=True)
class CompareRequest:
    """Two versions and the limits of what is tolerated.

    Attributes:
        base, head: Artifact, or folder of artifacts, of the old and of the new version.
        size: (height, width) of the timed image, for artifacts that take any.
        threads: CPU threads; 0 for `OMP_NUM_THREADS`, or all cores.
        samples: Least number of samples a side.
        rules: Limits of what is tolerated.
        data: Folders of sharp photographs to measure quality on; without any, what the exports measured counts.
    """

    base: Path
    head: Path
    size: tuple[int, int] = (256, 256)
    threads: int = 1
    samples: int = 15
    rules: GateRules = field(default_factory=GateRules)
    data: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        check_samples(self.samples)


@dataclass(frozen=True)
class Comparison:
    """Verdicts on every benchmark of either version.

    Attributes:
        verdicts: One for each benchmark.
    """

    verdicts: tuple[Verdict, ...]

    @property
    def failed(self) -> tuple[Verdict, ...]:
        """Those that fail a job."""
        return tuple(verdict for verdict in self.verdicts if verdict.failed)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about the measurements."""
        return tuple(f"{verdict.name}: {warning}" for verdict in self.verdicts for warning in verdict.warnings)

    def to_dict(self) -> dict[str, Any]:
        """Return the verdicts as plain JSON types."""
        return {"verdicts": [verdict.to_dict() for verdict in self.verdicts]}

    def check(self) -> None:
        """Raise what a job ends with.

        Raises:
            RegressionError: A benchmark failed.
            NotComparableError: None of them could be timed here.
        """
        if self.failed:
            raise RegressionError("; ".join(map(_sentence, self.failed)))
        if all(verdict.outcome is Outcome.NOT_RUN for verdict in self.verdicts):
            raise NotComparableError(
                "; ".join(map(_sentence, self.verdicts)),
                hint="time them on a machine that runs them; ensharpen-bench quality judges without times",
            )


def check_samples(samples: int) -> None:
    """Raise `UsageError` for fewer samples a side than ranks need."""
    if samples < FEWEST_SAMPLES:
        raise UsageError(f"--samples {samples}: ranks need {FEWEST_SAMPLES} a side")


def compare(request: CompareRequest, progress: Progress = no_progress) -> Comparison:
    """Compare two versions; both are measured here, interleaved.

    Args:
        request: Both versions and the limits.
        progress: Told the name of each benchmark.

    Raises:
        IntegrityError: An artifact is damaged, or a path does not exist.
        BadInputError: There are no artifacts, or a folder holds no photographs.
    """
    for folder in request.data:
        photo_files(folder)  # found out before anything is timed
    quality = gate_quality if not request.data else (lambda artifact: measured_quality(artifact, request.data))
    verdicts = compare_versions(
        pair_artifacts(request.base, request.head),
        request.size,
        request.threads,
        compare_effort(request.threads, request.samples),
        request.rules,
        quality,
        progress,
    )
    return Comparison(tuple(verdicts))


def _sentence(verdict: Verdict) -> str:
    return f"{verdict.name}: {verdict.outcome.value} ({', '.join(verdict.reasons)})"
