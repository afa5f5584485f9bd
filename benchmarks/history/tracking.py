"""Times of now against those of a history, and added to one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ensharpen_edge.benchmarks.history.records import (
    Record,
    append_records,
    benchmark_name,
    check_machine,
    latest_comparable,
    make_records,
    read_records,
)
from ensharpen_edge.benchmarks.speed.machine import NotComparableError
from ensharpen_edge.benchmarks.speed.measurement import LatencyRequest, LatencyResult, measure_latency
from ensharpen_edge.benchmarks.speed.subjects import find_artifacts
from ensharpen_edge.files import check_destinations, distinct_names
from ensharpen_edge.progress import Progress, no_progress


@dataclass(frozen=True)
class HistoryRequest:
    """Histories that times are compared with and added to.

    Attributes:
        append: File that the results are added to, JSON lines; or None.
        label: Name of this version in the history, e.g. a commit.
        against: File whose last results the times are compared with; or None. It may be the one that is appended to.
        across_machines: Whether times of another machine may be compared with.
    """

    append: Path | None = None
    label: str = ""
    against: Path | None = None
    across_machines: bool = False


@dataclass(frozen=True)
class TrackedLatency:
    """Times of now and their last ones in a history.

    Attributes:
        latency: Times of now.
        earlier: Last comparable results by benchmark, see `records.benchmark_name`.
        unreadable: Sentences about the history's lines that could not be read.
    """

    latency: LatencyResult
    earlier: Mapping[str, Record]
    unreadable: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON types; each row holds the earlier median, or null."""
        whole = self.latency.to_dict()
        for row, entry in zip(self.latency.rows, whole["latency"], strict=True):
            then = self.earlier.get(benchmark_name(row))
            entry["earlier_milliseconds"] = then.milliseconds if then else None
        return whole

    def check(self) -> None:
        """Raise `NotComparableError` when nothing could be timed here."""
        if not self.latency.rows:
            raise NotComparableError("nothing could be timed here", hint="time it on a machine that runs it")


def track_latency(request: LatencyRequest, history: HistoryRequest, progress: Progress = no_progress) -> TrackedLatency:
    """Time artifacts, compare the times with a history, and add them to one.

    The history is read and its machine compared before anything is timed; what was timed is added before anything can
    refuse it.

    Raises:
        NotComparableError: The history holds times of other machines only.
        BadInputError: A history cannot be read or written.
        IntegrityError: An artifact is damaged.
    """
    records, problems = read_records(history.against) if history.against is not None else ([], [])
    check_destinations(history.append)
    check_machine(records, distinct_names(find_artifacts(request.artifacts)), history.across_machines)
    result = measure_latency(request, progress)
    if history.append is not None and result.rows:
        append_records(history.append, make_records(result.rows, history.label))
    earlier = latest_comparable(records, result.rows, history.across_machines)
    return TrackedLatency(result, earlier, tuple(problems))
