"""Artifacts of two versions, matched by name, measured side by side in one job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.benchmarks.regression.decision import (
    GateRules,
    Outcome,
    Samples,
    Verdict,
    decide_new,
    decide_quality,
    decide_times,
)
from ensharpen_edge.benchmarks.speed.subjects import find_artifacts, open_subjects
from ensharpen_edge.benchmarks.speed.timing import REST, Effort, measure
from ensharpen_edge.errors import MissingToolError, QualityError, UsageError
from ensharpen_edge.progress import Progress, no_progress

Quality = Callable[[Artifact], dict[str, float]]
"""Function that returns the mean PSNR of an artifact by condition, dB."""

_SAME_PHOTOGRAPHS = 0.02
"""Difference in dB of the degraded photographs of two exports that is none: they are rounded by other versions."""


@dataclass(frozen=True)
class Pairing:
    """One benchmark in both versions.

    Attributes:
        name: Name of the benchmark.
        base, head: Artifact folder of the old and of the new version; None where it is missing.
    """

    name: str
    base: Path | None
    head: Path | None


def pair_artifacts(base: Path, head: Path) -> list[Pairing]:
    """Pair two artifacts whatever their names, or the artifacts of two folders by name.

    Raises:
        IntegrityError: A path does not exist.
        BadInputError: There are no artifacts.
    """
    bases, heads = find_artifacts([base]), find_artifacts([head])
    if bases == [base] and heads == [head]:
        name = base.name if base.name == head.name else f"{base.name} -> {head.name}"
        return [Pairing(name, base, head)]
    old, new = ({path.name: path for path in paths} for paths in (bases, heads))
    return [Pairing(name, old.get(name), new.get(name)) for name in dict.fromkeys((*old, *new))]


def gate_quality(artifact: Artifact) -> dict[str, float]:
    """Return what the export measured on the finished file, on the photographs of its release gate.

    Raises:
        UsageError: The gate judged another file: a device chose between the graphs of a kit.
    """
    judged = artifact.manifest.gate.get("of")
    if judged is not None:
        raise UsageError(f"{artifact.path}: its release gate judged {judged}", hint="give photographs: --data FOLDER")
    return {entry["condition"]: float(entry["exported"]) for entry in artifact.manifest.gate["conditions"]}


def other_photographs(base: Artifact, head: Artifact) -> list[str]:
    """Return a sentence for each condition that the two exports were not judged in on the same photographs."""
    before, after = ({entry["condition"]: entry for entry in a.manifest.gate["conditions"]} for a in (base, head))
    return [
        f"{name}: {old['photographs']} photographs at {old['degraded']:.2f} dB in the base, "
        f"{after[name]['photographs']} at {after[name]['degraded']:.2f} dB in the new version"
        for name, old in before.items()
        if name in after
        and (
            old["photographs"] != after[name]["photographs"]
            or abs(old["degraded"] - after[name]["degraded"]) > _SAME_PHOTOGRAPHS
        )
    ]


def compare_effort(threads: int, fewest: int = 15) -> Effort:
    """Return the effort of a comparison: medians known to 0.75 %, samples that are the fastest of three runs.

    Args:
        threads: CPU threads of the engines.
        fewest: Least number of samples a side.
    """
    rest = 0.0 if threads == 1 else REST
    return Effort(fewest=fewest, most=max(fewest, 40 if rest else 120), precision=0.0075, repeats=3, rest=rest)


def compare_versions(
    pairings: Sequence[Pairing],
    size: tuple[int, int],
    threads: int,
    effort: Effort,
    rules: GateRules,
    quality: Quality = gate_quality,
    progress: Progress = no_progress,
) -> list[Verdict]:
    """Return a verdict for every benchmark of either version.

    Args:
        pairings: Benchmarks, from `pair_artifacts`.
        size: (height, width) for artifacts that take any.
        threads: CPU threads; 0 for `OMP_NUM_THREADS`, or all cores.
        effort: How long to measure.
        rules: Limits of what is tolerated.
        quality: Measures the quality of an artifact.
        progress: Told the name of each benchmark.

    Raises:
        IntegrityError: An artifact is damaged.
    """
    verdicts = []
    for pairing in pairings:
        progress(pairing.name)
        if pairing.head is None:
            verdict = Verdict(pairing.name, Outcome.MISSING, ("in the base, but not in the new version",))
        elif pairing.base is None:
            verdict = _time_new(pairing.name, pairing.head, size, threads, effort, rules)
        else:
            verdict = _compare_pair(pairing.name, (pairing.base, pairing.head), size, threads, effort, rules)
            verdict = _with_quality(verdict, pairing.base, pairing.head, quality, rules)
        if rules.all_must_run and verdict.outcome is Outcome.NOT_RUN:
            verdict = replace(verdict, outcome=Outcome.MISSING)
        verdicts.append(verdict)
    return verdicts


def _compare_pair(
    name: str, paths: tuple[Path, Path], size: tuple[int, int], threads: int, effort: Effort, rules: GateRules
) -> Verdict:
    with open_subjects(paths, size, threads, ("base", "head")) as (subjects, others):
        if others:
            reasons = tuple(f"{entry.name}: {entry.reason}" for entry in others)
            return Verdict(name, Outcome.NOT_RUN, reasons)
        first, second = (subject.size for subject in subjects)
    if first != second:
        reason = f"the base takes {first[0]}x{first[1]}, the new version {second[0]}x{second[1]}"
        return Verdict(name, Outcome.OTHER_SIZE, (reason,))

    def pair() -> tuple[Samples, Samples]:
        with open_subjects(paths, size, threads, ("base", "head")) as (subjects, _):
            base, head = measure([subject.run for subject in subjects], effort)
            return base, head

    return decide_times(name, pair, rules)


def _time_new(name: str, path: Path, size: tuple[int, int], threads: int, effort: Effort, rules: GateRules) -> Verdict:
    with open_subjects([path], size, threads, ("head",)) as (_, others):
        if others:
            return Verdict(name, Outcome.NOT_RUN, (others[0].reason,))

    def single() -> Samples:
        with open_subjects([path], size, threads, ("head",)) as (subjects, _):
            return measure([subjects[0].run], effort)[0]

    return decide_new(name, single, rules)


def _with_quality(verdict: Verdict, base: Path, head: Path, quality: Quality, rules: GateRules) -> Verdict:
    old, new = Artifact.open(base), Artifact.open(head)
    try:
        before = quality(old)
    except (MissingToolError, UsageError) as error:
        outcome = Outcome.MISSING if rules.all_must_run and not verdict.failed else verdict.outcome
        return replace(verdict, outcome=outcome, reasons=(*verdict.reasons, f"quality not measured: {error}"))
    try:
        after = quality(new)
    except (MissingToolError, QualityError, UsageError) as error:
        reason = f"quality cannot be measured any more: {error}"
        return replace(verdict, outcome=Outcome.WORSE, reasons=(*verdict.reasons, reason))
    strange = other_photographs(old, new) if quality is gate_quality else []
    if strange:
        outcome = verdict.outcome if verdict.failed else Outcome.OTHER_PHOTOGRAPHS
        return replace(verdict, outcome=outcome, reasons=(*verdict.reasons, *strange))
    return decide_quality(verdict, before, after, rules)
