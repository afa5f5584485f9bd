"""Speed of artifacts: a request, and everything that was timed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.benchmarks.speed.busy_machine import timing_warnings
from ensharpen_edge.benchmarks.speed.latency import Latency, compare_latency, effort_for
from ensharpen_edge.benchmarks.speed.machine import Fingerprint, MachineState, fingerprint, machine_state
from ensharpen_edge.benchmarks.speed.operator_times import has_operator_times, operator_times
from ensharpen_edge.benchmarks.speed.subjects import NotRun, find_artifacts
from ensharpen_edge.files import distinct_names
from ensharpen_edge.progress import Progress, no_progress

_PROFILED_RUNS = 15


@dataclass(frozen=True)
class LatencyRequest:
    """Artifacts and how to time them.

    Attributes:
        artifacts: Artifact folders, or folders of them; the first that runs is what the others are compared with.
        size: (height, width) of the timed image, for artifacts that take any.
        threads: Numbers of CPU threads, each measured by itself; 0 stands for all cores.
        rounds: Timed rounds; None goes on until the medians are known to 2 %.
        details: Whether to measure where a photograph's time goes, and memory.
        operators: Whether to time operator by operator as well.
    """

    artifacts: tuple[Path, ...]
    size: tuple[int, int] = (512, 512)
    threads: tuple[int, ...] = (1,)
    rounds: int | None = None
    details: bool = True
    operators: bool = False


@dataclass(frozen=True)
class LatencyResult:
    """Times of artifacts that ran in turns on one machine.

    Attributes:
        rows: Times of every artifact at every number of threads.
        not_run: Artifacts that cannot be timed here, with the reason.
        operators: Milliseconds by operator, by artifact, at the first number of threads; empty where not asked for.
        machine: Fingerprint of the machine, which must be the same for times to be comparable.
        state: Load and heat of the machine after the timing.
        warnings: Sentences about what makes these times worth less.
    """

    rows: tuple[Latency, ...]
    not_run: tuple[NotRun, ...]
    operators: dict[str, dict[str, float]]
    machine: Fingerprint
    state: MachineState
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON types."""
        return {
            "machine": dataclasses.asdict(self.machine),
            "state": dataclasses.asdict(self.state),
            "latency": [row.to_dict() for row in self.rows],
            "not_run": {entry.name: entry.reason for entry in self.not_run},
            "operators": self.operators,
            "warnings": list(self.warnings),
        }


def measure_latency(request: LatencyRequest, progress: Progress = no_progress) -> LatencyResult:
    """Time artifacts, interleaved: every round runs each of them once.

    Args:
        request: Artifacts and options.
        progress: Told what is going on.

    Raises:
        UsageError: No artifacts, or no rounds.
        IntegrityError: An artifact is damaged, or a path does not exist.
        BadInputError: There are no artifacts in the given folders.
    """
    folders = find_artifacts(request.artifacts)
    rows: list[Latency] = []
    not_run: dict[str, NotRun] = {}
    for threads in request.threads:

        def report(done: int, threads: int = threads) -> None:
            progress(f"timing, {threads or 'all'} threads, round {done}")

        effort = effort_for(threads, request.rounds)
        timed, skipped = compare_latency(folders, request.size, threads, effort, request.details, report)
        rows += timed
        not_run |= {entry.name: entry for entry in skipped}
    noise = max((row.summary.noise for row in rows), default=0.0)
    return LatencyResult(
        tuple(rows),
        tuple(not_run.values()),
        _operators(folders, rows, request) if request.operators else {},
        fingerprint(),
        machine_state(),
        timing_warnings(noise, all(row.enough for row in rows)),
    )


def _operators(folders: list[Path], rows: list[Latency], request: LatencyRequest) -> dict[str, dict[str, float]]:
    """Profile the timed artifacts whose runtime tells."""
    timed, found = {row.name for row in rows}, {}
    rounds = request.rounds or _PROFILED_RUNS
    for name, path in zip(distinct_names(folders), folders, strict=True):
        artifact = Artifact.open(path)
        if name in timed and has_operator_times(artifact):
            found[name] = operator_times(artifact, request.size, request.threads[0], rounds)
    return found
