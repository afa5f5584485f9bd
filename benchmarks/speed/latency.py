"""Artifacts against each other: interleaved runs of the bare engines, where the time of a photograph goes, memory."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.benchmarks.speed.overhead import peak_memory
from ensharpen_edge.benchmarks.speed.statistics import Summary, summarize
from ensharpen_edge.benchmarks.speed.subjects import NotRun, Subject, noise_image, open_subjects
from ensharpen_edge.benchmarks.speed.timing import REST, Effort, measure, narrow
from ensharpen_edge.errors import UsageError
from ensharpen_edge.files import distinct_names
from ensharpen_edge.imaging.decode import read_photo
from ensharpen_edge.imaging.encode import write_photo
from ensharpen_edge.imaging.photo import Photo
from ensharpen_edge.runtime.pipeline import sharpen_photo

EQUAL = 100.0
"""Agreement in dB from which on two outputs differ by rounding of floats only."""

_SPLIT_RUNS = 5


@dataclass(frozen=True)
class TimeSplit:
    """Milliseconds of one photograph, from file to file, medians.

    Attributes:
        decode, encode: Time from JPEG to pixels, and from pixels to PNG.
        pre, engine, post: Times as in `runtime.pipeline.Timing`.
    """

    decode: float
    pre: float
    engine: float
    post: float
    encode: float


@dataclass(frozen=True)
class Latency:
    """One artifact at one number of threads.

    Attributes:
        name: Name of the artifact's folder.
        target, precision: Target and precision of the artifact.
        sha256: Hash of its model file.
        kib: Size of its model file.
        drop: Largest mean loss of PSNR against the truth in any condition of its release gate, dB.
        agreement: Smallest PSNR against the network on any photograph of the gate, dB.
        size: (height, width) of the timed image.
        threads: CPU threads of the engine; 0 for `OMP_NUM_THREADS`, or all cores.
        milliseconds: Time of each run.
        ratio: Median over rounds of this artifact's time of a megapixel against the first one's in the same round.
        enough: Whether the median became as precise as wanted before the rounds ran out.
        split: Time of each step of a photograph, or None where it was not measured.
        peak_mib: Resident memory of a process that sharpens one photograph, or None.
    """

    name: str
    target: str
    precision: str
    sha256: str
    kib: float
    drop: float
    agreement: float
    size: tuple[int, int]
    threads: int
    milliseconds: tuple[float, ...]
    ratio: float
    enough: bool = True
    split: TimeSplit | None = None
    peak_mib: float | None = None

    @property
    def summary(self) -> Summary:
        """Statistics of the milliseconds."""
        return summarize(self.milliseconds)

    @property
    def per_megapixel(self) -> float:
        """Median milliseconds of a megapixel."""
        return self.summary.median / (self.size[0] * self.size[1] / 1e6)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and the summary as plain JSON types."""
        return {**dataclasses.asdict(self), "summary": dataclasses.asdict(self.summary)}


def effort_for(threads: int, rounds: int | None) -> Effort:
    """Return the effort of a fixed number of rounds, or of as many as it takes to know the medians to 2 %.

    Raises:
        UsageError: The number of rounds is below 1.
    """
    rest = 0.0 if threads == 1 else REST
    if rounds is None:
        return Effort(rest=rest, most=60 if rest else 200)
    if rounds < 1:
        raise UsageError("latency needs at least one round")
    return Effort(fewest=rounds, most=rounds, precision=1.0, rest=rest)


def compare_latency(
    artifacts: Sequence[Path],
    size: tuple[int, int],
    threads: int,
    effort: Effort,
    details: bool = True,
    after_round: Callable[[int], None] = lambda _rounds: None,
) -> tuple[list[Latency], list[NotRun]]:
    """Run every artifact once per round, so that all of them see the same machine.

    Args:
        artifacts: Artifact folders; the first that runs is what the others are compared with.
        size: (height, width) for those that take any.
        threads: CPU threads; 0 for `OMP_NUM_THREADS`, or all cores.
        effort: How long to measure.
        details: Whether to measure where a photograph's time goes, and memory.
        after_round: Called with the number of finished rounds.

    Returns:
        Times of the artifacts that run, and the artifacts that cannot be timed here.

    Raises:
        UsageError: There is nothing to run.
        IntegrityError: An artifact is damaged.
    """
    if not artifacts:
        raise UsageError("latency needs at least one artifact")
    with open_subjects(artifacts, size, threads, distinct_names(artifacts)) as (subjects, others):
        seconds = measure([subject.run for subject in subjects], effort, after_round=after_round)
        splits = [time_split(subject) if details else None for subject in subjects]
    rows = []
    for subject, taken, split in zip(subjects, seconds, splits, strict=True):
        artifact = subject.artifact
        rows.append(
            Latency(
                subject.name,
                artifact.manifest.target,
                artifact.manifest.precision,
                artifact.manifest.files[artifact.manifest.model_file],
                artifact.model_bytes / 1024,
                *gate_figures(artifact),
                subject.size,
                threads,
                tuple(1000 * second for second in taken),
                median(
                    (own / subject.megapixels) / (first / subjects[0].megapixels)
                    for own, first in zip(taken, seconds[0], strict=True)
                ),
                narrow(taken, effort.precision),
                split,
                memory(artifact, subject.size, threads) if details else None,
            )
        )
    return rows, others


def gate_figures(artifact: Artifact) -> tuple[float, float]:
    """Return the largest drop and the smallest agreement, dB, as the export measured them on this file."""
    conditions = artifact.manifest.gate["conditions"]
    drops = [condition["student"] - condition["exported"] for condition in conditions]
    return max(drops), min(condition["worst_agreement"] for condition in conditions)


def time_split(subject: Subject) -> TimeSplit:
    """Measure where a photograph of the timed size spends its time; each step's median on its own."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.jpg", Path(folder) / "out.png"
        write_photo(Photo(noise_image(subject.size)), source)
        for _ in range(_SPLIT_RUNS + 1):
            start = time.perf_counter()
            photo = read_photo(source)
            decoded = time.perf_counter()
            sharp, timing = sharpen_photo(subject.artifact, subject.engine, photo, "off")
            before = time.perf_counter()
            write_photo(sharp, target)
            encode = time.perf_counter() - before
            rows.append((decoded - start, timing.pre, timing.engine, timing.post, encode))
    return TimeSplit(*(1000 * median(column) for column in zip(*rows[1:], strict=True)))


def memory(artifact: Artifact, size: tuple[int, int], threads: int) -> float:
    """Return the peak resident MiB of a fresh process that sharpens one photograph of this size."""
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "in.jpg"
        write_photo(Photo(noise_image(size)), photo)
        return peak_memory(artifact.path, photo, "off", threads)
