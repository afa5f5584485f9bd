"""Several artifacts side by side: how fast they are, in turns on this machine, and how well they sharpen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.benchmarks.quality.task_suite import ConditionQuality, measure_conditions
from ensharpen_edge.benchmarks.speed.latency import Latency
from ensharpen_edge.benchmarks.speed.machine import Fingerprint, MachineState
from ensharpen_edge.benchmarks.speed.measurement import LatencyRequest, measure_latency
from ensharpen_edge.benchmarks.speed.subjects import find_artifacts
from ensharpen_edge.errors import EnsharpenError, IntegrityError, UsageError
from ensharpen_edge.files import distinct_names
from ensharpen_edge.imaging.photo_folder import photo_files
from ensharpen_edge.json_numbers import json_numbers
from ensharpen_edge.judging.scores import kept_gain
from ensharpen_edge.progress import Progress, no_progress, of_part

DEFAULT_SIZE = (512, 512)


@dataclass(frozen=True)
class ArtifactQuality:
    """Quality of one artifact in one condition.

    Attributes:
        condition: Names of the folder and the condition.
        photographs: Number of photographs.
        degraded: Mean PSNR of the degraded photographs against the truth, dB.
        psnr: Mean PSNR of the artifact's output against the truth, dB.
        retained_gain: Share of the reference's gain over the degraded photographs that the artifact keeps; None where
            the reference gains nothing or was not measured in this condition.
    """

    condition: str
    photographs: int
    degraded: float
    psnr: float
    retained_gain: float | None


@dataclass(frozen=True)
class ArtifactResult:
    """Speed and quality of one artifact.

    Attributes:
        name: Name of its folder; the whole path where two folders have one name.
        latency: Times, sizes and the figures of its release gate; None where it cannot be timed here.
        quality: Quality in every condition; empty where no photographs were given, or it cannot run here.
        notes: Sentences that say what could not be measured here, and why.
    """

    name: str
    latency: Latency | None
    quality: tuple[ArtifactQuality, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain JSON types; a PSNR of equal images is null."""
        return {
            "name": self.name,
            "latency": None if self.latency is None else json_numbers(self.latency.to_dict()),
            "quality": [json_numbers(vars(score)) for score in self.quality],
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class BenchmarkResult:
    """Speed and quality of several artifacts, measured on one machine.

    Attributes:
        artifacts: Result of each artifact, in the order given.
        reference: Name of the artifact that retained gains are measured against: the first in single precision that
            ran, or the first that ran; None where no quality was measured.
        machine: Fingerprint of the machine, which must be the same for times to be comparable.
        state: Load and heat of the machine after the timing.
        warnings: Sentences about what makes the times worth less.
    """

    artifacts: tuple[ArtifactResult, ...]
    reference: str | None
    machine: Fingerprint
    state: MachineState
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON types."""
        return {
            "artifacts": [artifact.to_dict() for artifact in self.artifacts],
            "reference": self.reference,
            "machine": json_numbers(vars(self.machine)),
            "state": json_numbers(vars(self.state)),
            "warnings": list(self.warnings),
        }


def benchmark(
    artifacts: Path | str | Sequence[Path | str],
    *,
    size: int | tuple[int, int] | None = None,
    threads: int = 0,
    rounds: int | None = None,
    quality: Path | str | Sequence[Path | str] = (),
    progress: Progress = no_progress,
) -> BenchmarkResult:
    """Time artifacts in turns and, where photographs are given, measure how well they sharpen.

    In every round each artifact runs once, so that all of them see the same machine. Quality is measured in the
    conditions of the suite that belongs to the artifact's task, beside the degraded photographs.

    Args:
        artifacts: Artifact folders, or folders of them.
        size: Side, or (height, width), of the timed image in pixels, for artifacts that take any; 512 by default.
        threads: CPU threads of every engine; 0 takes OMP_NUM_THREADS, or all cores.
        rounds: Timed rounds; None goes on until the medians are known to 2 %.
        quality: Folders of sharp photographs; without any, only speed is measured.
        progress: Told what is going on.

    Returns:
        One result for each artifact; what cannot be measured here is noted there, nothing is left out.

    Raises:
        UsageError: There is nothing to measure, or a size, number of threads or number of rounds is no such number.
        IntegrityError: An artifact is damaged, or a path does not exist.
        BadInputError: A folder holds no artifacts, or no photographs.
    """
    folders = list(dict.fromkeys(find_artifacts(_paths(artifacts))))
    photographs = _paths(quality)
    for folder in photographs:
        photo_files(folder)  # found out before anything is timed
    frame = _frame(size)
    if threads < 0:
        raise UsageError(f"threads must be 0 or more, got {threads}")
    timed = measure_latency(LatencyRequest(tuple(folders), frame, (threads,), rounds, details=False), progress)
    names = distinct_names(folders)
    opened = dict(zip(names, map(Artifact.open, folders), strict=True))
    scores: dict[str, tuple[ConditionQuality, ...]] = {}
    notes: dict[str, list[str]] = {name: [] for name in names}
    for entry in timed.not_run:
        notes[entry.name].append(entry.reason)
    for name, artifact in opened.items() if photographs else ():
        try:
            scores[name] = measure_conditions(artifact, photographs, threads, of_part(progress, f"quality of {name}"))
        except IntegrityError:
            raise
        except EnsharpenError as error:
            notes[name].append(f"quality not measured: {error}")
    reference = next((n for n in scores if opened[n].manifest.precision == "fp32"), next(iter(scores), None))
    best = {score.condition: score.psnr for score in scores[reference]} if reference is not None else {}
    times = {row.name: row for row in timed.rows}
    return BenchmarkResult(
        tuple(
            ArtifactResult(
                name,
                times.get(name),
                tuple(_quality(score, best.get(score.condition)) for score in scores.get(name, ())),
                tuple(notes[name]),
            )
            for name in names
        ),
        reference,
        timed.machine,
        timed.state,
        timed.warnings,
    )


def _paths(given: Path | str | Sequence[Path | str]) -> tuple[Path, ...]:
    several = (given,) if isinstance(given, (str, Path)) else tuple(given)
    return tuple(map(Path, several))


def _frame(size: int | tuple[int, int] | None) -> tuple[int, int]:
    height, width = DEFAULT_SIZE if size is None else (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1:
        raise UsageError(f"size must be a positive number of pixels, or (height, width), got {size}")
    return height, width


def _quality(score: ConditionQuality, reference: float | None) -> ArtifactQuality:
    kept = None if reference is None else kept_gain(score.psnr, reference, score.degraded)
    return ArtifactQuality(score.condition, score.photographs, score.degraded, score.psnr, kept)
