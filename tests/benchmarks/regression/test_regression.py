"""The regression gate: what it sees, and what it keeps quiet about."""

from __future__ import annotations

import dataclasses
import json
import platform
import shutil
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from ensharpen_edge.artifact import MANIFEST
from ensharpen_edge.artifact_manifest import FileTraits
from ensharpen_edge.benchmarks.quality.suites import SUITES
from ensharpen_edge.benchmarks.regression.ci_formats import github_annotations, junit_xml, markdown
from ensharpen_edge.benchmarks.regression.comparison import (
    Pairing,
    compare_effort,
    compare_versions,
    pair_artifacts,
)
from ensharpen_edge.benchmarks.regression.decision import (
    GateRules,
    Outcome,
    Verdict,
    decide_new,
    decide_quality,
    decide_times,
)
from ensharpen_edge.benchmarks.regression.measured_quality import measured_quality
from ensharpen_edge.benchmarks.speed.timing import measure
from ensharpen_edge.errors import MissingToolError, QualityError, UsageError

pytestmark = pytest.mark.slow

RULES = GateRules()


class NoisyMachine:
    """Both subjects see its drift; each run has noise above a floor, and one in twenty is interrupted."""

    def __init__(self, seed):
        self.rng, self.now = np.random.default_rng(seed), 0.0

    def subject(self, milliseconds):
        def run():
            drift = 1 + 0.05 * np.sin(self.now / 2)
            noise = 1 + abs(float(self.rng.normal(0, 0.08)))
            interrupted = 1.5 if self.rng.random() < 0.05 else 1.0
            self.now += milliseconds / 1000 * drift * noise * interrupted

        return run

    def pair(self, ratio):
        subjects = [self.subject(5.0), self.subject(5.0 * ratio)]
        return lambda: tuple(measure(subjects, compare_effort(1), lambda: self.now))


def outcomes(ratio, trials):
    return [decide_times("x", NoisyMachine(seed).pair(ratio), RULES).outcome for seed in range(trials)]


def test_it_does_not_cry_wolf():
    assert sum(outcome is not Outcome.SAME for outcome in outcomes(1.0, 100)) < 2


def test_it_finds_eight_percent():
    assert outcomes(1.08, 100).count(Outcome.SLOWER) >= 95


def test_it_says_when_something_got_faster():
    assert outcomes(1 / 1.1, 20).count(Outcome.FASTER) >= 19


def test_changes_too_small_to_matter_pass():
    assert outcomes(1.02, 50).count(Outcome.SAME) >= 49


def fixed(*pairs):
    """Measurements that give these (base, head) milliseconds, one after the other."""
    queue = [tuple(tuple(np.linspace(0.99, 1.01, 20) * milliseconds / 1000) for milliseconds in pair) for pair in pairs]
    return lambda: queue.pop(0)


def test_a_slowdown_that_does_not_come_back_is_none():
    verdict = decide_times("x", fixed((10, 12), (10, 10)), RULES)
    assert (verdict.outcome, verdict.measured) == (Outcome.SAME, 2)
    confirmed = decide_times("x", fixed((10, 12), (10, 12)), RULES)
    assert (confirmed.outcome, confirmed.failed) == (Outcome.SLOWER, True)
    assert "+20.0%" in confirmed.reasons[0]


def test_budgets_count_twice_as_well():
    rules = GateRules(budget_ms=9.0)
    assert decide_times("x", fixed((10, 10), (10, 10)), rules).outcome is Outcome.OVER_BUDGET
    assert decide_times("x", fixed((10, 10), (10, 8.9)), rules).outcome is Outcome.SAME
    assert decide_times("x", fixed((8, 8)), rules).outcome is Outcome.SAME
    both = decide_times("x", fixed((10, 12), (10, 12)), rules)
    assert both.outcome is Outcome.SLOWER
    assert "the budget is 9 ms" in both.reasons[1]


def test_lost_quality_and_lost_conditions():
    verdict = Verdict("x", Outcome.SAME)
    assert decide_quality(verdict, {"a": 30.0}, {"a": 29.96}, RULES) is verdict
    worse = decide_quality(verdict, {"a": 30.0, "b": 28.0}, {"a": 29.9}, RULES)
    assert worse.outcome is Outcome.WORSE
    assert worse.reasons == ("a: -0.100 dB, allowed -0.05", "b: not measured any more")


def test_what_the_base_lacks_has_a_budget_as_well():
    def queue(*milliseconds):
        left = [tuple(np.linspace(0.99, 1.01, 20) * value / 1000) for value in milliseconds]
        return lambda: left.pop(0)

    assert decide_new("x", queue(50), RULES).outcome is Outcome.NEW
    rules = GateRules(budget_ms=20.0)
    assert decide_new("x", queue(50, 51), rules).outcome is Outcome.OVER_BUDGET
    assert decide_new("x", queue(50, 10), rules).outcome is Outcome.NEW


def test_folders_of_one_name_are_judged_apart(artifact, photo_folder, tmp_path):
    for number, folder in enumerate((tmp_path / "a" / "test", tmp_path / "b" / "test")):
        folder.mkdir(parents=True)
        (folder / "x.png").symlink_to(sorted(photo_folder.glob("*.png"))[number])
    found = measured_quality(artifact, [tmp_path / "a" / "test", tmp_path / "b" / "test"])
    assert len(found) == 2 * len(SUITES["gaussian"])


def test_what_cannot_run_is_named_and_fails_if_told(artifact, monkeypatch):
    def refuse(_artifact, _device="cpu", threads=0):
        raise MissingToolError("this step needs the Python package 'x'", hint="pip install x")

    monkeypatch.setattr("ensharpen_edge.benchmarks.speed.subjects.open_engine", refuse)
    pairings = [Pairing("a", artifact.path, artifact.path), Pairing("b", None, artifact.path)]
    for strict, outcome in ((False, Outcome.NOT_RUN), (True, Outcome.MISSING)):
        rules = GateRules(all_must_run=strict)
        verdicts = compare_versions(pairings, (64, 64), 1, compare_effort(1, 6), rules)
        assert [verdict.outcome for verdict in verdicts] == [outcome, outcome]
        assert "not run: this step needs" in verdicts[0].reasons[0]

    def no_quality(_artifact):
        raise MissingToolError("no metric")

    (verdict, _) = compare_versions(pairings, (64, 64), 1, compare_effort(1, 6), RULES, no_quality)
    assert verdict.reasons[-1] == "quality not measured: no metric"


def test_quality_that_cannot_be_measured_any_more_fails(artifact, tmp_path):
    head = shutil.copytree(artifact.path, tmp_path / artifact.path.name)

    def odd_sizes_crash(subject):
        if subject.path == head:
            raise UsageError("cannot run a window of (1, 3, 328, 488)")
        return {"a": 30.0}

    def never(_artifact):
        raise UsageError("cannot run a window of (1, 3, 328, 488)")

    pairings, effort = [Pairing("x", artifact.path, head)], compare_effort(1, 6)
    (verdict,) = compare_versions(pairings, (64, 64), 1, effort, RULES, odd_sizes_crash)
    assert verdict.outcome is Outcome.WORSE
    assert "any more: cannot run a window" in verdict.reasons[-1]
    rules = GateRules(all_must_run=True)
    (verdict,) = compare_versions(pairings, (64, 64), 1, effort, rules, never)
    assert verdict.failed


def test_a_version_that_returns_nothing_finite_is_worse(artifact):
    def broken(tried):
        if broken.asked:
            raise QualityError("the network returned NaN or Inf")
        broken.asked = True
        return {"blur": 30.0}

    broken.asked = False
    pairings = [Pairing("x", artifact.path, artifact.path)]
    rules = GateRules(effect=0.9)
    (verdict,) = compare_versions(pairings, (64, 64), 1, compare_effort(1, 6), rules, broken)
    assert verdict.outcome is Outcome.WORSE
    assert "NaN" in verdict.reasons[-1]
    worse = decide_quality(Verdict("x", Outcome.SAME), {"blur": 30.0}, {"blur": float("nan")}, rules)
    assert worse.outcome is Outcome.WORSE


def test_another_size_is_no_comparison(artifact, static_artifact):
    (verdict,) = compare_versions(
        [Pairing("x", artifact.path, static_artifact.path)], (64, 64), 1, compare_effort(1, 6), RULES
    )
    assert verdict.outcome is Outcome.OTHER_SIZE
    assert verdict.failed


def test_exports_judged_on_other_photographs_are_no_comparison(artifact, tmp_path):
    """Of one name and one network: nothing about the network can be said, whichever is the base."""
    harder = [{**entry, **{key: entry[key] - 3.0 for key in ("degraded", "exported")}} for entry in
              artifact.manifest.gate["conditions"]]  # fmt: skip
    head = shutil.copytree(artifact.path, tmp_path / artifact.path.name)
    changed = dataclasses.replace(artifact.manifest, gate={**artifact.manifest.gate, "conditions": harder})
    (head / MANIFEST).write_text(changed.to_json())
    for paths in ((artifact.path, head), (head, artifact.path)):
        (verdict,) = compare_versions([Pairing("x", *paths)], (64, 64), 1, compare_effort(1, 6), GateRules(effect=0.9))
        assert verdict.outcome is Outcome.OTHER_PHOTOGRAPHS
        assert verdict.failed
        assert "4 photographs at" in verdict.reasons[0]


def test_too_few_samples_and_rules_that_mean_nothing():
    with pytest.raises(UsageError, match="5 samples a side"):
        decide_times("x", lambda: ((1.0,) * 5, (1.0,) * 5), RULES)
    with pytest.raises(UsageError, match="effect"):
        GateRules(effect=0.0)
    with pytest.raises(UsageError, match="budget"):
        GateRules(budget_ms=-1.0)


VERDICTS = [
    Verdict("fine", Outcome.SAME, base_ms=10.0, head_ms=10.1),
    Verdict("slow, at: 100%", Outcome.SLOWER, ("+20 % | more",), base_ms=10.0, head_ms=12.0, warnings=("busy",)),
    Verdict("gone", Outcome.MISSING, ("not there",)),
    Verdict("mac only", Outcome.NOT_RUN, ("no latency here",)),
]


def test_junit():
    suite = ElementTree.fromstring(junit_xml(VERDICTS))[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("4", "2", "1")
    assert [case.find("failure") is not None for case in suite] == [False, True, True, False]
    assert suite[1].find("failure").get("message") == "slower: +20 % | more"


def test_markdown_and_annotations():
    text = markdown(VERDICTS)
    assert "2 failed, 1 passed, 1 not run" in text
    assert "+20 % \\| more; busy" in text
    assert github_annotations(VERDICTS) == [
        "::error title=slow%2C at%3A 100%25%3A slower::+20 %25 | more",
        "::warning title=slow%2C at%3A 100%25::busy",
        "::error title=gone%3A missing::not there",
        "::warning title=mac only%3A not run::no latency here",
    ]


def test_folders_are_matched_by_name(artifact, static_artifact, tmp_path):
    for version, names in (("base", ("a", "b")), ("head", ("b", "c"))):
        for name in names:
            shutil.copytree(artifact.path, tmp_path / version / name)
    pairings = pair_artifacts(tmp_path / "base", tmp_path / "head")
    assert [(p.name, p.base is not None, p.head is not None) for p in pairings] == [
        ("a", True, False),
        ("b", True, True),
        ("c", False, True),
    ]
    (single,) = pair_artifacts(artifact.path, static_artifact.path)
    assert single.base == artifact.path


def test_the_command(command, artifact, tmp_path):
    base, head = tmp_path / "base", tmp_path / "head"
    for folder in (base / "one", base / "two", head / "one"):
        shutil.copytree(artifact.path, folder)
    quick = ("--size", 64, "--samples", 6, "--effect", 0.9)
    same = command("ensharpen-bench", "compare", base / "one", head / "one", *quick, "--json")
    assert same.returncode == 0, same.stderr
    assert json.loads(same.stdout)[0]["outcome"] == "same"
    files = ("--junit", tmp_path / "out" / "bench.xml", "--summary", tmp_path / "bench.md")
    done = command("ensharpen-bench", "compare", base, head, *quick, *files)
    assert done.returncode == 6, done.stderr
    assert "two: missing" in done.stderr
    assert ElementTree.parse(tmp_path / "out" / "bench.xml").getroot()[0].get("failures") == "1"
    assert "**missing**" in (tmp_path / "bench.md").read_text()
    done = command("ensharpen-bench", "compare", base / "one", head / "one", *quick, "--budget", "0.01ms")
    assert done.returncode == 6, done.stderr
    assert "the budget is 0.01 ms" in done.stderr


@pytest.mark.skipif(platform.system() == "Darwin", reason="Core ML runs here")
def test_a_job_that_times_nothing_is_not_green(command, artifact, tmp_path):
    """A package for Apple devices on this machine, by its manifest; what the export measured is still compared."""
    shutil.copytree(artifact.path, tmp_path / "x")
    elsewhere = dataclasses.replace(artifact.manifest, target="coreml", traits=FileTraits("mlpackage"))
    (tmp_path / "x" / MANIFEST).write_text(elsewhere.to_json())
    done = command("ensharpen-bench", "compare", tmp_path / "x", tmp_path / "x", "--junit", tmp_path / "bench.xml")
    assert done.returncode == 7, done.stderr
    assert "not run (base: no latency here" in " ".join(done.stderr.split())
    assert (tmp_path / "bench.xml").is_file()
    timed = command("ensharpen-bench", "latency", tmp_path / "x", "--json")
    assert timed.returncode == 7, timed.stderr
    assert "no latency here" in json.loads(timed.stdout)["not_run"]["x"]


def test_the_trial_of_the_gate_runs(command, artifact):
    """How it ends depends on the machine; that it measures what it says does not."""
    done = command(
        "ensharpen-bench",
        "compare",
        artifact.path,
        "--self-test",
        "--trials",
        2,
        "--size",
        64,
        "--samples",
        6,
        "--json",
    )
    assert done.returncode in (0, 7), done.stderr
    result = json.loads(done.stdout)
    assert result["trials"] == len(result["ratios_slowed"]) == 2
    assert np.median(result["ratios_slowed"]) > np.median(result["ratios_same"])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("{artifact}",), 2, "nothing to compare with"),
        (("{artifact}", "{artifact}", "--samples", "3"), 2, "ranks need 6"),
        (("{artifact}", "{artifact}", "--budget", "soon"), 2, "not a time"),
        (("{artifact}", "nowhere"), 8, "not an artifact"),
        (("{artifact}", "--self-test", "--budget", "5ms"), 2, "tries BASE alone"),
    ],
    ids=str,
)
def test_mistakes(command, artifact, arguments, code, message):
    done = command("ensharpen-bench", "compare", *(a.format(artifact=artifact.path) for a in arguments))
    assert done.returncode == code, done.stderr
    assert message in done.stderr
