"""Artifacts of two versions, matched by name, measured side by side in one job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.benchmarks.regression import GateRules, Outcome, Samples, Verdict, judge_quality, judge_times
from ensharpen_edge.benchmarks.subjects import find_artifacts, no_latency_reason, open_subjects
from ensharpen_edge.benchmarks.timing import REST, Effort, measure
from ensharpen_edge.errors import UsageError

Quality = Callable[[Artifact], dict[str, float]]
"""PSNR by condition."""


@dataclass(frozen=True)
class Pairing:
    """One benchmark in both versions; None where it is missing."""

    name: str
    base: Path | None
    head: Path | None


def pair_artifacts(base: Path, head: Path) -> list[Pairing]:
    """Two artifacts whatever their names, or two folders of artifacts by name.

    Raises:
        BadInputError: No artifacts.
    """
    bases, heads = find_artifacts([base]), find_artifacts([head])
    if bases == [base] and heads == [head]:
        name = base.name if base.name == head.name else f"{base.name} -> {head.name}"
        return [Pairing(name, base, head)]
    old, new = ({path.name: path for path in paths} for paths in (bases, heads))
    return [Pairing(name, old.get(name), new.get(name)) for name in dict.fromkeys((*old, *new))]


def gate_quality(artifact: Artifact) -> dict[str, float]:
    """What the export measured on the finished file, on the photographs of its release gate."""
    return {entry["condition"]: float(entry["exported"]) for entry in artifact.manifest.gate["conditions"]}


def compare_effort(threads: int, fewest: int = 15) -> Effort:
    """Until medians are known to 0.75 %; a sample is the fastest of three runs."""
    rest = 0.0 if threads == 1 else REST
    return Effort(fewest=fewest, most=max(fewest, 40 if rest else 120), precision=0.0075, repeats=3, rest=rest)


def compare_versions(
    pairings: Sequence[Pairing],
    size: tuple[int, int],
    threads: int,
    effort: Effort,
    rules: GateRules,
    quality: Quality = gate_quality,
    progress: Callable[[str], None] = lambda _name: None,
) -> list[Verdict]:
    """One verdict for every benchmark of either version.

    Args:
        pairings: See `pair_artifacts`.
        size: (height, width) for artifacts that take any.
        threads: 0 for all cores.
        effort: See `Effort`.
        rules: What is tolerated.
        quality: Measures an artifact.
        progress: Called with the name of each benchmark.

    Raises:
        UsageError: The two versions of a benchmark take different sizes.
        IntegrityError: A damaged artifact.
    """
    verdicts = []
    for pairing in pairings:
        progress(pairing.name)
        if pairing.head is None:
            verdicts.append(Verdict(pairing.name, Outcome.MISSING, ("in the base, but not in the new version",)))
        elif pairing.base is None:
            verdicts.append(Verdict(pairing.name, Outcome.NEW))
        else:
            verdicts.append(
                _compare_pair(pairing.name, pairing.base, pairing.head, size, threads, effort, rules, quality)
            )
    return verdicts


def _compare_pair(
    name: str,
    base: Path,
    head: Path,
    size: tuple[int, int],
    threads: int,
    effort: Effort,
    rules: GateRules,
    quality: Quality,
) -> Verdict:
    old, new = Artifact.open(base), Artifact.open(head)
    reason = no_latency_reason(new)
    if reason is None:
        with open_subjects([base, head], size, threads, ("base", "head")) as (subjects, others):
            reason = others[0].reason if others else None
            if not others and subjects[0].size != subjects[1].size:
                raise UsageError(f"{name}: one takes {subjects[0].size}, the other {subjects[1].size}")

    def pair() -> tuple[Samples, Samples]:
        with open_subjects([base, head], size, threads, ("base", "head")) as (subjects, _):
            first, second = measure([subject.run for subject in subjects], effort)
            return first, second

    verdict = Verdict(name, Outcome.NOT_RUN, (reason,)) if reason else judge_times(name, pair, rules)
    return judge_quality(verdict, quality(old), quality(new), rules)
