"""Everything that the page shows, measured: a request and the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ensharpen_edge.arrays import F32, U8
from ensharpen_edge.artifact import Artifact
from ensharpen_edge.artifact_manifest import Manifest
from ensharpen_edge.benchmarks.quality.scoring import artifact_method, run_method
from ensharpen_edge.benchmarks.quality.suites import SUITES, Case, Pair, degraded_photos
from ensharpen_edge.benchmarks.speed.busy_machine import timing_warnings
from ensharpen_edge.benchmarks.speed.latency import Latency, compare_latency
from ensharpen_edge.benchmarks.speed.machine import Fingerprint, MachineState, fingerprint, machine_state
from ensharpen_edge.benchmarks.speed.operator_times import has_operator_times, operator_times
from ensharpen_edge.benchmarks.speed.subjects import find_artifacts
from ensharpen_edge.benchmarks.speed.timing import Effort
from ensharpen_edge.errors import EnsharpenError, IntegrityError, UsageError
from ensharpen_edge.files import distinct_names
from ensharpen_edge.judging.scores import truth_psnr
from ensharpen_edge.metrics.psnr import psnr
from ensharpen_edge.progress import Progress, no_progress
from ensharpen_edge.runtime.codes import floats_to_pixels
from ensharpen_edge.runtime.engines.registry import open_engine

CONDITIONS = ("gaussian 1/0", "gaussian 1.6/2.55", "gaussian 2/2.55", "gaussian 1.2, JPEG 75")
SHOWN = "gaussian 1.6/2.55"
"""Name of the condition whose pictures are shown."""

_PROFILED_RUNS = 10


@dataclass(frozen=True)
class ShownPhoto:
    """One photograph in the shown condition.

    Attributes:
        name: Name of the photograph.
        sharp, degraded: Ground truth and degraded photograph, uint8 (H, W, 3).
        outputs: Sharpened photographs by artifact, uint8 (H, W, 3).
    """

    name: str
    sharp: U8
    degraded: U8
    outputs: dict[str, U8]


@dataclass(frozen=True)
class ReportEntry:
    """One artifact.

    Attributes:
        name: Name of its folder.
        manifest: Manifest of the artifact.
        kib: Size of its model file.
        psnr: Mean PSNR over the photographs by condition, dB; empty where it could not run.
        agreement: Smallest PSNR against the reference on any photograph, dB; None for the reference.
        latency: Times, or None, and then there is a note.
        note: Sentence that says what could not be measured here, and why.
        operators: Milliseconds by operator.
    """

    name: str
    manifest: Manifest
    kib: float
    psnr: dict[str, float]
    agreement: float | None
    latency: Latency | None
    note: str
    operators: dict[str, float]


@dataclass(frozen=True)
class Report:
    """The whole page.

    Attributes:
        entries: Artifacts, in the order given.
        reference: Name of the artifact that agreement is measured against: the first in single precision that ran.
        degraded: Mean PSNR of the degraded photographs by condition, dB.
        photos: Photographs that are shown.
        count: Number of photographs that were measured.
        machine, state: Machine that it was measured on, its load and heat.
        threads: CPU threads of every engine; 0 for `OMP_NUM_THREADS`, or all cores.
        warnings: Sentences about what makes the times worth less.
    """

    entries: tuple[ReportEntry, ...]
    reference: str
    degraded: dict[str, float]
    photos: tuple[ShownPhoto, ...]
    count: int
    machine: Fingerprint
    state: MachineState
    threads: int
    warnings: tuple[str, ...] = ()


def collect(
    artifacts: Sequence[Path],
    photos: Sequence[tuple[str, U8]],
    size: tuple[int, int],
    threads: int,
    effort: Effort,
    shown: int = 3,
    progress: Progress = no_progress,
) -> Report:
    """Measure quality and speed of artifacts; what cannot be measured here is noted, nothing is dropped.

    Args:
        artifacts: Artifact folders, or folders of them.
        photos: Name and sharp pixels, uint8 (H, W, 3), of each photograph.
        size: (height, width) of the timed image.
        threads: CPU threads; 0 for `OMP_NUM_THREADS`, or all cores.
        effort: How long to time.
        shown: Number of photographs that are shown.
        progress: Told what is going on.

    Raises:
        UsageError: There are no photographs.
        IntegrityError: An artifact is damaged.
        BadInputError: There are no artifacts.
    """
    if not photos:
        raise UsageError("a report needs at least one photograph")
    cases = {case.name: case for suite in SUITES.values() for case in suite}
    chosen = [cases[name] for name in CONDITIONS]
    pairs = {case.name: list(degraded_photos(photos, case)) for case in chosen}
    artifacts = find_artifacts(artifacts)
    progress("timing")
    rows, idle = compare_latency(
        artifacts, size, threads, effort, after_round=lambda done: progress(f"timing, round {done}")
    )
    timed, notes = {row.name: row for row in rows}, {entry.name: entry.reason for entry in idle}
    pictures: dict[str, list[F32]] = {}
    entries = []
    for name, artifact in zip(distinct_names(artifacts), map(Artifact.open, artifacts), strict=True):
        progress(f"quality of {name}")
        values: dict[str, float] = {}
        note = notes.get(name, "")
        try:
            values, pictures[name] = _quality(artifact, chosen, pairs)
        except IntegrityError:
            raise
        except EnsharpenError as error:
            note = note or f"not run: {error}"
        kib = artifact.model_bytes / 1024
        entry = ReportEntry(name, artifact.manifest, kib, values, None, timed.get(name), note, {})
        if name in timed and has_operator_times(artifact):
            progress(f"operators of {name}")
            entry = replace(entry, operators=operator_times(artifact, size, threads, _PROFILED_RUNS))
        entries.append(entry)
    ran = [entry for entry in entries if entry.name in pictures]
    reference = next((entry.name for entry in ran if entry.manifest.precision == "fp32"), ran[0].name if ran else "")
    return Report(
        tuple(_with_agreement(entry, reference, pictures) for entry in entries),
        reference,
        {name: float(np.mean([truth_psnr(p.degraded, p.truth) for p in made])) for name, made in pairs.items()},
        tuple(_shown(pairs[SHOWN][:shown], pictures)),
        len(photos),
        fingerprint(),
        machine_state(),
        threads,
        timing_warnings(max((row.summary.noise for row in rows), default=0.0), all(row.enough for row in rows)),
    )


def _quality(
    artifact: Artifact, cases: Sequence[Case], pairs: dict[str, list[Pair]]
) -> tuple[dict[str, float], list[F32]]:
    """Return the mean PSNR by condition, and the outputs in the shown one."""
    values, kept = {}, []
    with open_engine(artifact) as engine:
        method = artifact_method(artifact, engine)
        for case in cases:
            outputs = [run_method(method, pair) for pair in pairs[case.name]]
            values[case.name] = float(
                np.mean([truth_psnr(o, p.truth) for o, p in zip(outputs, pairs[case.name], strict=True)])
            )
            if case.name == SHOWN:
                kept = outputs
    return values, kept


def _with_agreement(entry: ReportEntry, reference: str, pictures: dict[str, list[F32]]) -> ReportEntry:
    if entry.name not in pictures or entry.name == reference:
        return entry
    pairs = zip(pictures[entry.name], pictures[reference], strict=True)
    return replace(entry, agreement=min(psnr(ours, theirs, data_range=1.0) for ours, theirs in pairs))


def _shown(pairs: Sequence[Pair], pictures: dict[str, list[F32]]) -> list[ShownPhoto]:
    return [
        ShownPhoto(
            Path(pair.name).stem,
            pair.sharp,
            floats_to_pixels(pair.degraded),
            {name: floats_to_pixels(outputs[number]) for name, outputs in pictures.items()},
        )
        for number, pair in enumerate(pairs)
    ]
