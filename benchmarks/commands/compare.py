"""`ensharpen-bench compare`: the regression gate."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from rich.table import Table

from ensharpen_edge.benchmarks.ci_formats import github_annotations, junit_xml, markdown
from ensharpen_edge.benchmarks.commands.options import Json, Side, parse_milliseconds
from ensharpen_edge.benchmarks.comparing import compare_effort, compare_versions, gate_quality, pair_artifacts
from ensharpen_edge.benchmarks.measured_quality import measured_quality
from ensharpen_edge.benchmarks.records import NotComparableError
from ensharpen_edge.benchmarks.regression import FEWEST_SAMPLES, GateRules, Outcome, Verdict
from ensharpen_edge.benchmarks.self_test import TrialResult, try_gate
from ensharpen_edge.benchmarks.suites import photo_files
from ensharpen_edge.console import print_json, progress, stderr, stdout
from ensharpen_edge.errors import EnsharpenError, ExitCode, UsageError
from ensharpen_edge.whole_file import check_destinations, write_file


class RegressionError(EnsharpenError):
    """A new version is slower, over budget, worse, or gone."""

    exit_code = ExitCode.PERFORMANCE


def compare(
    base: Annotated[Path, typer.Argument(help="Artifact, or folder of artifacts, of the version to compare with.")],
    head: Annotated[
        Path | None, typer.Argument(help="The same of the new version; with --self-test it is not needed.")
    ] = None,
    size: Side = 256,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes all cores.")] = 1,
    samples: Annotated[int, typer.Option(min=1, help="Least samples a side; more are taken until it is clear.")] = 15,
    effect: Annotated[float, typer.Option(help="Smallest change of time that counts, as a share.")] = 0.05,
    budget: Annotated[
        str | None, typer.Option(help="Largest median of new artifacts, each the fastest of three runs, e.g. 20ms.")
    ] = None,
    max_drop: Annotated[float, typer.Option(min=0, help="Largest loss of PSNR in any condition, dB.")] = 0.05,
    data: Annotated[
        list[Path] | None,
        typer.Option(help="Sharp photographs to measure quality on. Default: what the exports measured."),
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML.")] = None,
    summary: Annotated[Path | None, typer.Option(help="Write a Markdown summary.")] = None,
    require_all: Annotated[
        bool, typer.Option("--require-all", help="A benchmark that cannot run here is a failure.")
    ] = False,
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Try the gate on BASE: against itself, and against itself slowed down.")
    ] = False,
    trials: Annotated[int, typer.Option(min=1, help="Of either kind, for --self-test.")] = 100,
    json_output: Json = False,
) -> None:
    """Is the new version slower, over budget or worse? Both are measured here, interleaved, in one job.

    A slowdown counts when ranks say so (Mann-Whitney, 1 %), when it exceeds --effect, and when a second measurement
    agrees. A benchmark that is in BASE and not in HEAD is a failure. Exit code 6; 7 where none could be timed
    here, and where --self-test finds the machine unfit.

    [bold]Examples[/]

      ensharpen-bench compare main/build build --budget 20ms --junit bench.xml

      ensharpen-bench compare build/nano-onnx-fp32 --self-test
    """
    limit = None if budget is None else parse_milliseconds(budget)
    rules = GateRules(effect, budget_ms=limit, quality_db=max_drop, all_must_run=require_all)
    if samples < FEWEST_SAMPLES:
        raise UsageError(f"--samples {samples}: ranks need {FEWEST_SAMPLES} a side")
    frame = (size, size)
    if self_test:
        if threads != 1 or budget or data or junit or summary or require_all or head is not None:
            raise UsageError(
                "--self-test tries BASE alone, on one thread: without HEAD, --budget, --data, --junit, --summary and "
                "--require-all"
            )
        with progress(quiet=json_output) as bar:
            task = bar.add_task("trials", total=2 * trials)
            result = try_gate(base, frame, compare_effort(1, samples), rules, trials, lambda: bar.advance(task))
        _print_trials(result, json_output)
        result.check()
        return
    if head is None:
        raise UsageError("nothing to compare with", hint="ensharpen-bench compare BASE HEAD")
    for folder in data or []:
        photo_files(folder)
    check_destinations(junit, summary)
    quality = gate_quality if not data else (lambda artifact: measured_quality(artifact, data))
    with stderr().status("comparing") as status:
        verdicts = compare_versions(
            pair_artifacts(base, head), frame, threads, compare_effort(threads, samples), rules, quality,
            lambda name: status.update(f"comparing {name}"),
        )  # fmt: skip
    if json_output:
        print_json([_verdict_json(verdict) for verdict in verdicts])
    else:
        stdout().print(_table(verdicts))
    for path, content in ((junit, junit_xml(verdicts)), (summary, markdown(verdicts).encode())):
        if path is not None:
            write_file(path, content)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in github_annotations(verdicts):
            stderr().print(line)
    for verdict in verdicts:
        for warning in verdict.warnings:
            stderr().print(f"warning: {verdict.name}: {warning}")
    failed = [verdict for verdict in verdicts if verdict.failed]
    if failed:
        raise RegressionError("; ".join(f"{v.name}: {v.outcome.value} ({', '.join(v.reasons)})" for v in failed))
    if all(verdict.outcome is Outcome.NOT_RUN for verdict in verdicts):
        raise NotComparableError(
            "; ".join(f"{v.name}: not run ({', '.join(v.reasons)})" for v in verdicts),
            hint="time them on a machine that runs them; ensharpen-bench quality judges without times",
        )


def _table(verdicts: list[Verdict]) -> Table:
    table = Table(title="the new version against the base, interleaved in this job")
    for heading in ("benchmark", "outcome", "base ms", "new ms", "change [95 %]", "noise", "measured", "why"):
        table.add_column(heading, justify="left" if heading in ("benchmark", "outcome", "why") else "right")
    for verdict in verdicts:
        shift = verdict.shift
        table.add_row(
            verdict.name,
            verdict.outcome.value,
            "" if verdict.base_ms is None else f"{verdict.base_ms:.2f}",
            "" if verdict.head_ms is None else f"{verdict.head_ms:.2f}",
            "" if shift is None else f"{shift.ratio - 1:+.1%} [{shift.low - 1:+.1%}, {shift.high - 1:+.1%}]",
            f"{verdict.noise:.1%}" if shift else "",
            f"{verdict.measured}x" if shift else "",
            "; ".join(verdict.reasons),
        )
    return table


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    return {**dataclasses.asdict(verdict), "outcome": verdict.outcome.value, "failed": verdict.failed}


def _print_trials(result: TrialResult, json_output: bool) -> None:
    if json_output:
        print_json(dataclasses.asdict(result))
        return
    table = Table(title=f"the gate on trial: {result.trials} comparisons of each kind, {result.seconds:.0f} s")
    for heading in ("what was compared", "called different", "ratio: smallest", "median", "largest"):
        table.add_column(heading, justify="left" if heading == "what was compared" else "right")
    for name, count, ratios in (
        ("an artifact with itself", result.false_alarms, sorted(result.ratios_same)),
        (f"with itself, slowed by {result.slowdown:.0%}", result.found, sorted(result.ratios_slowed)),
    ):
        cells = (ratios[0], median(ratios), ratios[-1])
        table.add_row(name, f"{count} of {result.trials}", *(f"{ratio:.3f}" for ratio in cells))
    stdout().print(table)
    stdout().print(f"noise of one sample: {result.noise:.1%}")
