"""Results on disk: their machine, their history, and the points where it jumps."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from ensharpen_edge.benchmarks.history.change_points import change_points
from ensharpen_edge.benchmarks.history.records import (
    Record,
    append_records,
    check_machine,
    latest_comparable,
    read_records,
)
from ensharpen_edge.benchmarks.speed.latency import Latency
from ensharpen_edge.benchmarks.speed.machine import (
    Fingerprint,
    MachineState,
    NotComparableError,
    fingerprint,
    machine_state,
)
from ensharpen_edge.errors import BadInputError

pytestmark = pytest.mark.slow

MACHINE = Fingerprint("CPU", 2, "performance", (), "none", "Linux x86_64", (("numpy", "2"),))


def record(milliseconds, label="", machine=MACHINE, benchmark="nano 64x64 1 threads"):
    span = (milliseconds * 0.99, milliseconds * 1.01)
    return Record(
        "2026-01-01T00:00:00+00:00", label, benchmark, "nano", "0" * 64, milliseconds, *span, milliseconds * 1.1,
        milliseconds * 1.2, 30, 0.0, machine, MachineState(0.1, None, None, None),
    )  # fmt: skip


def test_this_machine():
    here = fingerprint()
    assert here.cpu
    assert here.cores >= 1
    assert dict(here.packages)["numpy"]
    assert Fingerprint.from_dict(json.loads(json.dumps(dataclasses.asdict(here)))) == here
    assert machine_state().load is None or machine_state().load >= 0


def test_a_line_is_the_record():
    assert Record.from_line(record(12.5, "v1").to_line()) == record(12.5, "v1")


def latency(name="nano"):
    return Latency(name, "onnx", "fp32", "0" * 64, 1.0, 0.0, 99.0, (64, 64), 1, (10.0, 11.0), 1.0)


def test_only_times_of_this_machine_are_compared():
    here = fingerprint()
    other = dataclasses.replace(here, cpu="another", cores=here.cores + 6)
    assert other.key != here.key
    mixed = [record(9.0, machine=here), record(10.0, machine=here), record(1.0, machine=other)]
    found = latest_comparable(mixed, [latency(), latency("new")], across_machines=False)
    assert {name: entry.milliseconds for name, entry in found.items()} == {"nano 64x64 1 threads": 10.0}
    check_machine(mixed, ["nano", "new"], across_machines=False)
    check_machine(mixed[2:], ["new"], across_machines=False)
    check_machine(mixed[2:], ["nano"], across_machines=True)
    with pytest.raises(NotComparableError, match="nano: the history holds times of another machine: cpu: another -> "):
        check_machine(mixed[2:], ["nano"], across_machines=False)
    with pytest.raises(NotComparableError, match="cpu: another -> "):
        latest_comparable(mixed[2:], [latency()], across_machines=False)
    assert latest_comparable(mixed[2:], [latency()], across_machines=True)["nano 64x64 1 threads"].milliseconds == 1.0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("milliseconds", "Infinity"),
        ("low", '"x"'),
        ("time", "5"),
        ("benchmark", "[]"),
        ("count", "1.5"),
        ("p99", "-1.0"),
    ],
)
def test_what_is_no_record(field, value):
    content = json.loads(record(10.0).to_line())
    line = json.dumps({**content, field: "@"}).replace('"@"', value)
    with pytest.raises(ValueError, match=r"no text|none|number"):
        Record.from_line(line)


def test_corrupt_lines_are_named_and_the_rest_is_read(tmp_path):
    path = tmp_path / "results.jsonl"
    append_records(path, [record(10.0), record(11.0)])
    whole = path.read_text()
    path.write_text("{\n" + whole + record(1.0).to_line().replace('"schema": 1', '"schema": 9') + "\n\n" + whole[:40])
    append_records(path, [record(12.0)])
    records, problems = read_records(path)
    assert [entry.milliseconds for entry in records] == [10.0, 11.0, 12.0]
    assert [problem.split(", ")[1][:6] for problem in problems] == ["line 1", "line 4", "line 6"]
    path.write_text("nothing\n")
    with pytest.raises(BadInputError, match="holds no results"):
        read_records(path)
    with pytest.raises(BadInputError, match="cannot be read"):
        read_records(tmp_path / "absent")


def test_jumps_are_found_where_they_are(rng):
    level = np.concatenate([np.full(15, 10.0), np.full(12, 11.0), np.full(10, 9.0)])
    assert change_points(level * rng.lognormal(0, 0.01, len(level))) == [15, 27]


def test_noise_is_no_jump():
    alarms = 0
    for seed in range(50):
        slow = 10.0 * np.random.default_rng(seed).lognormal(0, 0.01, 30)
        slow[seed % 30] *= 1.2
        alarms += bool(change_points(slow))
    assert alarms <= 4, "one slow run is no jump"
    alarms = sum(bool(change_points(10 * np.random.default_rng(i).lognormal(0, 0.02, 40))) for i in range(50))
    assert alarms <= 2
    assert change_points([10.0] * 30) == []
    assert change_points([10.0, 20.0]) == []


def test_the_commands(command, artifact, tmp_path):
    path = tmp_path / "results.jsonl"
    quick = ("--size", 64, "--rounds", 6, "--no-details")
    done = command("ensharpen-bench", "latency", artifact.path, *quick, "--append", path, "--label", "v0")
    assert done.returncode == 0, done.stderr
    (first,) = read_records(path)[0]
    assert first.label == "v0"
    both = tmp_path / "both.jsonl"
    both.write_text(path.read_text())
    again = command("ensharpen-bench", "latency", artifact.path, *quick, "--against", both, "--append", both, "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["latency"][0]["earlier_milliseconds"] == first.milliseconds
    assert len(read_records(both)[0]) == 2
    faster = [
        dataclasses.replace(first, label=f"v{i}", milliseconds=(10.0 if i < 8 else 8.0) + i % 2 / 50) for i in range(16)
    ]
    append_records(path, faster)
    path.write_text(path.read_text() + "{broken\n")
    done = command("ensharpen-bench", "history", path, "--out", tmp_path / "plot.png", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [jump["label"] for jump in report["series"][0]["jumps"]][-1] == "v8"
    assert len(report["unreadable"]) == 1
    assert "line 18" in done.stderr
    assert (tmp_path / "plot.png").stat().st_size > 5000

    elsewhere = dataclasses.replace(first, machine=dataclasses.replace(first.machine, cpu="another"))
    append_records(tmp_path / "other.jsonl", [elsewhere])
    refused = command("ensharpen-bench", "latency", artifact.path, *quick, "--against", tmp_path / "other.jsonl")
    assert refused.returncode == 7, refused.stderr
    assert "cpu: another" in refused.stderr
    told = command(
        "ensharpen-bench", "latency", artifact.path, *quick, "--against", tmp_path / "other.jsonl", "--across-machines"
    )
    assert told.returncode == 0, told.stderr
    lost = command("ensharpen-bench", "latency", artifact.path, *quick, "--json", "--append", path / "below" / "a file")
    assert lost.returncode == 9, lost.stderr
    assert not lost.stdout, "found out before anything was timed"
