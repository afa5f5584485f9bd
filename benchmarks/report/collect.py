"""Everything that the page shows, measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ensharpen_edge.artifact import Artifact, Manifest
from ensharpen_edge.benchmarks.latency import Latency, compare_latency
from ensharpen_edge.benchmarks.machine import Fingerprint, MachineState, fingerprint, machine_state
from ensharpen_edge.benchmarks.operator_times import has_operator_times, operator_times
from ensharpen_edge.benchmarks.protocol import F32
from ensharpen_edge.benchmarks.quality import artifact_method, run_method
from ensharpen_edge.benchmarks.suites import SUITES, Case, Pair, degraded_photos
from ensharpen_edge.benchmarks.timing import Effort
from ensharpen_edge.distinct_names import distinct_names
from ensharpen_edge.errors import EnsharpenError, IntegrityError, UsageError
from ensharpen_edge.imaging.photo import U8
from ensharpen_edge.metrics.psnr import psnr
from ensharpen_edge.runtime.registry import open_engine

CONDITIONS = ("gaussian 1/0", "gaussian 1.6/2.55", "gaussian 2/2.55", "gaussian 1.2, JPEG 75")
SHOWN = "gaussian 1.6/2.55"
"""Condition whose pictures are shown."""

_PROFILED_RUNS = 10


@dataclass(frozen=True)
class ShownPhoto:
    """One photograph in the shown condition.

    Attributes:
        name: Of it.
        sharp, degraded: uint8 (H, W, 3).
        outputs: By artifact.
    """

    name: str
    sharp: U8
    degraded: U8
    outputs: dict[str, U8]


@dataclass(frozen=True)
class ReportEntry:
    """One artifact.

    Attributes:
        name: Of its folder.
        manifest: Its own.
        kib: Size of its model file.
        psnr: By condition, mean over the photographs, dB; empty where it could not run.
        agreement: Smallest PSNR against the reference on any photograph, dB; None for the reference.
        latency: Or None, and then there is a note.
        note: What could not be measured here, and why.
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
        reference: Name of the one that agreement is measured against: the first in single precision that ran.
        degraded: PSNR of what they start from, by condition, dB.
        photos: Those that are shown.
        count: Photographs that were measured.
        machine, state: Where.
        threads: Of every engine; 0 for all cores.
    """

    entries: tuple[ReportEntry, ...]
    reference: str
    degraded: dict[str, float]
    photos: tuple[ShownPhoto, ...]
    count: int
    machine: Fingerprint
    state: MachineState
    threads: int


def collect(
    artifacts: Sequence[Path],
    photos: Sequence[tuple[str, U8]],
    size: tuple[int, int],
    threads: int,
    effort: Effort,
    shown: int = 3,
    progress: Callable[[str], None] = lambda _text: None,
) -> Report:
    """Measure quality and speed of artifacts; what cannot be measured here is noted, nothing is dropped.

    Args:
        artifacts: Folders.
        photos: Name and sharp pixels.
        size: (height, width) of the timed image.
        threads: 0 for all cores.
        effort: Of the timing.
        shown: How many photographs are shown.
        progress: Called with what is going on.

    Raises:
        UsageError: No photographs.
        IntegrityError: A damaged artifact.
    """
    if not photos:
        raise UsageError("a report needs at least one photograph")
    cases = {case.name: case for suite in SUITES.values() for case in suite}
    chosen = [cases[name] for name in CONDITIONS]
    pairs = {case.name: list(degraded_photos(photos, case)) for case in chosen}
    progress("timing")
    rows, idle = compare_latency(
        artifacts, size, threads, effort, progress=lambda done: progress(f"timing, round {done}")
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
        {name: float(np.mean([_psnr(p.degraded, p.sharp) for p in rows])) for name, rows in pairs.items()},
        tuple(_shown(pairs[SHOWN][:shown], pictures)),
        len(photos),
        fingerprint(),
        machine_state(),
        threads,
    )


def _quality(
    artifact: Artifact, cases: Sequence[Case], pairs: dict[str, list[Pair]]
) -> tuple[dict[str, float], list[F32]]:
    """Mean PSNR by condition, and the outputs of the shown one."""
    values, kept = {}, []
    with open_engine(artifact) as engine:
        method = artifact_method(artifact, engine)
        for case in cases:
            outputs = [run_method(method, pair) for pair in pairs[case.name]]
            values[case.name] = float(
                np.mean([_psnr(o, p.sharp) for o, p in zip(outputs, pairs[case.name], strict=True)])
            )
            if case.name == SHOWN:
                kept = outputs
    return values, kept


def _with_agreement(entry: ReportEntry, reference: str, pictures: dict[str, list[F32]]) -> ReportEntry:
    if entry.name not in pictures or entry.name == reference:
        return entry
    pairs = zip(pictures[entry.name], pictures[reference], strict=True)
    return replace(entry, agreement=min(_psnr(ours, _codes(theirs)) for ours, theirs in pairs))


def _shown(pairs: Sequence[Pair], pictures: dict[str, list[F32]]) -> list[ShownPhoto]:
    return [
        ShownPhoto(
            Path(pair.name).stem,
            pair.sharp,
            _codes(pair.degraded),
            {name: _codes(outputs[number]) for name, outputs in pictures.items()},
        )
        for number, pair in enumerate(pairs)
    ]


def _psnr(output: F32, sharp: U8) -> float:
    return float(psnr(output, sharp.astype(np.float32) / np.float32(255), data_range=1.0))


def _codes(image: F32) -> U8:
    return np.asarray(np.rint(np.clip(image, 0.0, 1.0) * 255.0), dtype=np.uint8)
