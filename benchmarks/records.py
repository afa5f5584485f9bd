"""Results as lines of JSON: what was measured, on which machine, when."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ensharpen_edge.benchmarks.latency import Latency
from ensharpen_edge.benchmarks.machine import Fingerprint, MachineState, fingerprint, machine_state
from ensharpen_edge.errors import BadInputError, EnsharpenError, ExitCode

SCHEMA = 1


class NotComparableError(EnsharpenError):
    """Times of two machines were to be compared, or there are none to compare."""

    exit_code = ExitCode.NOT_COMPARABLE


@dataclass(frozen=True)
class Record:
    """One benchmark of one artifact.

    Attributes:
        time: UTC, ISO 8601.
        label: What the user calls this version, e.g. a commit.
        benchmark: Artifact, size and threads: records of one benchmark make a history.
        artifact: Name of its folder.
        sha256: Of the model file.
        milliseconds: Median.
        low, high: Its 95 % interval.
        p90, p99: Quantiles.
        count: Of samples.
        drop: See `Latency`.
        machine: Where.
        state: What that machine was doing.
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
        """One line of JSON."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, sort_keys=True, allow_nan=False)

    @classmethod
    def from_line(cls, line: str) -> Record:
        """Raises `ValueError` for anything that `to_line` did not write."""
        try:
            content: dict[str, Any] = json.loads(line)
            if content.pop("schema") != SCHEMA:
                raise ValueError("of another version")
            machine = Fingerprint.from_dict(content.pop("machine"))
            state = MachineState(**content.pop("state"))
            record = cls(**content, machine=machine, state=state)
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise ValueError(f"not a record ({error})") from error
        texts = (record.time, record.label, record.benchmark, record.artifact, record.sha256)
        times = (record.milliseconds, record.low, record.high, record.p90, record.p99)
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("a name that is no text")
        if not all(isinstance(value, float) and math.isfinite(value) and value > 0 for value in times):
            raise ValueError(f"times that are none: {times}")
        if type(record.count) is not int or not isinstance(record.drop, float):
            raise ValueError("a count or a drop that is no number")
        return record


def benchmark_name(row: Latency) -> str:
    """Artifact, size and threads: what must be the same for times to make a history."""
    return f"{row.name} {row.size[0]}x{row.size[1]} {row.threads or 'all'} threads"


def make_records(rows: Sequence[Latency], label: str) -> list[Record]:
    """Of measurements made just now on this machine."""
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
        BadInputError: It cannot be written.
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
    """All records of a file, and what is wrong with its other lines, which are passed over.

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
    """Before an artifact is timed: does the history hold anything that its times could be compared with?

    Args:
        records: A history.
        artifacts: Names of those that are to be timed.
        across_machines: Another machine's times are good enough.

    Raises:
        NotComparableError: All results of an artifact are of other machines; says what differs.
    """
    for name in artifacts:
        _own(name, [record for record in records if record.artifact == name], fingerprint(), across_machines)


def latest_comparable(records: Sequence[Record], rows: Sequence[Latency], across_machines: bool) -> dict[str, Record]:
    """The last result of this machine, by benchmark, for those that were measured now and have one.

    Args:
        records: A history, oldest first.
        rows: Measured now.
        across_machines: Take another machine's where there is none.

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
