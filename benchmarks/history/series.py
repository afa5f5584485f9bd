"""A history sorted into series: one for each benchmark on each machine, with the points where its level jumped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from ensharpen_edge.benchmarks.history.change_points import change_points
from ensharpen_edge.benchmarks.history.records import Record, read_records

_AROUND = 5
"""Number of results on either side that a jump is measured by."""


@dataclass(frozen=True)
class Jump:
    """A lasting change of a benchmark's time.

    Attributes:
        index: Place of the first result after the change, counted from 0.
        record: The first result after it.
        change: Change of the median time, as a share; +0.08 is 8 % slower.
    """

    index: int
    record: Record
    change: float


@dataclass(frozen=True)
class Series:
    """The results of one benchmark on one machine.

    Attributes:
        benchmark: Name of the benchmark: artifact, size and threads.
        machine: Key of the machine's fingerprint.
        records: Results, oldest first.
        jumps: Lasting changes of the time.
    """

    benchmark: str
    machine: str
    records: tuple[Record, ...]
    jumps: tuple[Jump, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the series as plain JSON types, without its results."""
        jumps = [{"time": j.record.time, "label": j.record.label, "index": j.index} for j in self.jumps]
        return {
            "benchmark": self.benchmark, "machine": self.machine, "results": len(self.records), "jumps": jumps,
        }  # fmt: skip


@dataclass(frozen=True)
class History:
    """A whole file of results.

    Attributes:
        series: One for each benchmark on each machine, in the order they appear.
        unreadable: Sentences about the lines that could not be read.
    """

    series: tuple[Series, ...]
    unreadable: tuple[str, ...]

    @property
    def results(self) -> int:
        """Number of results."""
        return sum(len(series.records) for series in self.series)

    def to_dict(self) -> dict[str, Any]:
        """Return the history as plain JSON types."""
        return {"series": [series.to_dict() for series in self.series], "unreadable": list(self.unreadable)}


def read_history(path: Path) -> History:
    """Read a file of results and find the jumps in it; lines that cannot be read are named and passed over.

    Raises:
        BadInputError: The file cannot be read, or holds no result at all.
        MissingToolError: ruptures is not installed.
    """
    records, problems = read_records(path)
    sorted_records: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        sorted_records.setdefault((record.benchmark, record.machine.key), []).append(record)
    series = tuple(
        Series(benchmark, machine, tuple(rows), tuple(_jumps(rows)))
        for (benchmark, machine), rows in sorted_records.items()
    )
    return History(series, tuple(problems))


def _jumps(rows: list[Record]) -> list[Jump]:
    return [Jump(i, rows[i], _change(rows, i)) for i in change_points([row.milliseconds for row in rows])]


def _change(rows: list[Record], index: int) -> float:
    before, after = rows[max(0, index - _AROUND) : index], rows[index : index + _AROUND]
    return median(row.milliseconds for row in after) / median(row.milliseconds for row in before) - 1
