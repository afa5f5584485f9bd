"""Results as lines of JSON: what was measured, on which machine, when."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ensharpen_edge.benchmarks.speed.latency import Latency
from ensharpen_edge.benchmarks.speed.machine import (
    Fingerprint,
    MachineState,
    NotComparableError,
    fingerprint,
    machine_state,
)
from ensharpen_edge.errors import BadInputError

SCHEMA = 1


@dataclass(frozen=True)
class Record:
    """One benchmark of one artifact.

    Attributes:
        time: Time of the measurement, UTC, ISO 8601.
        label: Name that the user gives this version, e.g. a commit.
        benchmark: Artifact, size and threads: records of one benchmark make a history.
        artifact: Name of the artifact's folder.
        sha256: Hash of the model file.
        milliseconds: Median time.
        low, high: 95 % interval of the median.
        p90, p99: Quantiles of the time.
        count: Number of samples.
        drop: Loss of PSNR in the release gate, see `Latency`.
        machine: Machine that it ran on.
        state: Load and heat of that machine.
    """

    time: str
    label: str
    benchmark: str
    artifact: str
    sha256: str
    milliseconds: float
    low: float
    high: float
    p90: float
    p99: float
    count: int
    drop: float
    machine: Fingerprint
    state: MachineState

    def to_line(self) -> str:
        """Return one line of JSON."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, sort_keys=True, allow_nan=False)

    @classmethod
    def from_line(cls, line: str) -> Record:
        """Return the record of a line; raises `ValueError` for anything that `to_line` did not write."""
        try:
            content: dict[str, Any] = json.loads(line)
            if content.pop("schema") != SCHEMA:
                raise ValueError(f"not a record of schema {SCHEMA}, which this version reads")
            machine = Fingerprint.from_dict(content.pop("machine"))
            state = MachineState(**content.pop("state"))
            record = cls(**content, machine=machine, state=state)
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise ValueError(f"not a record ({error})") from error
        texts = (record.time, record.label, record.benchmark, record.artifact, record.sha256)
        times = (record.milliseconds, record.low, record.high, record.p90, record.p99)
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("time, label, benchmark, artifact and sha256 must be texts; one is no text")
        if not all(isinstance(value, float) and math.isfinite(value) and value > 0 for value in times):
            raise ValueError(f"times must be finite and positive numbers, got {times}")
        if type(record.count) is not int or not isinstance(record.drop, float):
            raise ValueError("count must be a whole number and drop a number")
        return record


def benchmark_name(row: Latency) -> str:
    """Return artifact, size and threads: what must be the same for times to make a history."""
    return f"{row.name} {row.size[0]}x{row.size[1]} {row.threads or 'all'} threads"


def make_records(rows: Sequence[Latency], label: str) -> list[Record]:
    """Return the records of measurements made just now on this machine."""
    machine, state = fingerprint(), machine_state()
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    records = []
    for row in rows:
        summary = row.summary
        records.append(
            Record(
                now,
                label,
                benchmark_name(row),
                row.name,
                row.sha256,
                summary.median,
                summary.low,
                summary.high,
                summary.p90,
                summary.p99,
                summary.count,
                float(row.drop),
                machine,
                state,
            )
        )
    return records


def append_records(path: Path, records: Sequence[Record]) -> None:
    """Add lines to a file, which is made if it is not there.

    Raises:
        BadInputError: The file cannot be written.
    """
    text = "".join(record.to_line() + "\n" for record in records)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        cut_off = path.is_file() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
        with path.open("a", encoding="utf-8") as file:
            file.write(("\n" if cut_off else "") + text)
    except OSError as error:
        raise BadInputError(f"{path}: cannot be written ({error})") from error


def read_records(path: Path) -> tuple[list[Record], list[str]]:
    """Return all records of a file, and what is wrong with its other lines, which are passed over.

    Raises:
        BadInputError: The file cannot be read, or holds no record at all.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read ({error})") from error
    records, problems = [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            records.append(Record.from_line(line))
        except ValueError as error:
            problems.append(f"{path}, line {number}: {error}")
    if not records:
        raise BadInputError(
            f"{path}: holds no results", hint="ensharpen-bench latency ARTIFACT --append FILE writes some"
        )
    return records, problems


def check_machine(records: Sequence[Record], artifacts: Iterable[str], across_machines: bool) -> None:
    """Refuse, before an artifact is timed, a history that holds nothing to compare its times with.

    Args:
        records: Records of the history.
        artifacts: Names of the artifacts that are to be timed.
        across_machines: Whether another machine's times are good enough.

    Raises:
        NotComparableError: All results of an artifact are of other machines; says what differs.
    """
    for name in artifacts:
        _own(name, [record for record in records if record.artifact == name], fingerprint(), across_machines)


def latest_comparable(records: Sequence[Record], rows: Sequence[Latency], across_machines: bool) -> dict[str, Record]:
    """Return the last result of this machine, by benchmark, for those that were measured now and have one.

    Args:
        records: Records of the history, oldest first.
        rows: Times measured now.
        across_machines: Whether another machine's are taken where there is none.

    Raises:
        NotComparableError: A benchmark's results are all of other machines; says what differs.
    """
    here, found = fingerprint(), {}
    for name in map(benchmark_name, rows):
        earlier = [record for record in records if record.benchmark == name]
        if earlier:
            found[name] = (_own(name, earlier, here, across_machines) or earlier)[-1]
    return found


def _own(name: str, records: Sequence[Record], here: Fingerprint, across_machines: bool) -> list[Record]:
    own = [record for record in records if record.machine.key == here.key]
    if records and not own and not across_machines:
        differences = "; ".join(records[-1].machine.differences(here))
        raise NotComparableError(
            f"{name}: the history holds times of another machine: {differences}",
            hint="measure both on this one (ensharpen-bench compare BASE HEAD), or insist: --across-machines",
        )
    return own
