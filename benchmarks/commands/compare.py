"""`ensharpen-bench compare`: the regression gate."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.table import Table

from ensharpen_edge.benchmarks.commands.options import Side, parse_milliseconds
from ensharpen_edge.benchmarks.regression import gate
from ensharpen_edge.benchmarks.regression.ci_formats import github_annotations, junit_xml, markdown
from ensharpen_edge.benchmarks.regression.comparison import compare_effort
from ensharpen_edge.benchmarks.regression.decision import GateRules, Verdict
from ensharpen_edge.benchmarks.regression.self_test import TrialResult, try_gate
from ensharpen_edge.console import (
    Json,
    print_json,
    print_warnings,
    print_workflow_commands,
    progress,
    status,
    stdout,
    table,
)
from ensharpen_edge.errors import UsageError
from ensharpen_edge.files import check_destinations, write_file
from ensharpen_edge.progress import of_part


def compare(
    base: Annotated[Path, typer.Argument(help="Artifact, or folder of artifacts, of the version to compare with.")],
    head: Annotated[
        Path | None, typer.Argument(help="The same of the new version; with --self-test it is not needed.")
    ] = None,
    size: Side = 256,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes OMP_NUM_THREADS, or all cores.")] = 1,
    samples: Annotated[int, typer.Option(min=1, help="Least samples a side; more are taken until it is clear.")] = 15,
    effect: Annotated[float, typer.Option(help="Smallest change of time that counts, as a share.")] = 0.05,
    budget: Annotated[
        str | None, typer.Option(help="Largest median of new artifacts, each the fastest of three runs, e.g. 20ms.")
    ] = None,
    max_drop: Annotated[
        float, typer.Option(min=0, help="Largest mean loss of PSNR against ground truth, dB, in any condition.")
    ] = 0.05,
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
    trials: Annotated[int, typer.Option(min=1, help="Number of trials of either kind, for --self-test.")] = 100,
    json_output: Json = False,
) -> None:
    """Say whether the new version is slower, over budget or worse; both are measured here, interleaved, in one job.

    A slowdown counts when ranks say so (Mann-Whitney, 1 %), when it exceeds --effect, and when a second measurement
    agrees. A benchmark that is in BASE and not in HEAD is a failure. Exit code 6; 7 where none could be timed
    here, and where --self-test finds the machine unfit.

    [bold]Examples[/]

      ensharpen-bench compare main/build build --budget 20ms --junit bench.xml

      ensharpen-bench compare build/nano-onnx-fp32 --self-test
    """
    limit = None if budget is None else parse_milliseconds(budget)
    rules = GateRules(effect, budget_ms=limit, max_drop=max_drop, all_must_run=require_all)
    if self_test:
        if threads != 1 or budget or data or junit or summary or require_all or head is not None:
            raise UsageError(
                "--self-test tries BASE alone, on one thread: without HEAD, --budget, --data, --junit, --summary and "
                "--require-all"
            )
        _self_test(base, (size, size), samples, rules, trials, json_output)
        return
    gate.check_samples(samples)
    if head is None:
        raise UsageError("nothing to compare with", hint="ensharpen-bench compare BASE HEAD")
    check_destinations(junit, summary)
    request = gate.CompareRequest(base, head, (size, size), threads, samples, rules, tuple(data or ()))
    with status("comparing") as show:
        result = gate.compare(request, of_part(show, "comparing"))
    if json_output:
        print_json([verdict.to_dict() for verdict in result.verdicts])
    else:
        stdout().print(_table(result.verdicts))
    for path, content in ((junit, junit_xml(result.verdicts)), (summary, markdown(result.verdicts).encode())):
        if path is not None:
            write_file(path, content)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        print_workflow_commands(github_annotations(result.verdicts))
    print_warnings(result.warnings)
    result.check()


def _self_test(
    artifact: Path, size: tuple[int, int], samples: int, rules: GateRules, trials: int, json_output: bool
) -> None:
    gate.check_samples(samples)
    with progress(quiet=json_output) as bar:
        task = bar.add_task("trials", total=2 * trials)
        result = try_gate(artifact, size, compare_effort(1, samples), rules, trials, lambda: bar.advance(task))
    if json_output:
        print_json(result.to_dict())
    else:
        _print_trials(result)
    result.check()


def _table(verdicts: Sequence[Verdict]) -> Table:
    rows = table(
        "the new version against the base, interleaved in this job",
        ("benchmark", "outcome", "base ms", "new ms", "change [95 %]", "noise", "measured", "why"),
        left=("benchmark", "outcome", "why"),
    )
    for verdict in verdicts:
        shift = verdict.shift
        rows.add_row(
            verdict.name,
            verdict.outcome.value,
            "" if verdict.base_ms is None else f"{verdict.base_ms:.2f}",
            "" if verdict.head_ms is None else f"{verdict.head_ms:.2f}",
            "" if shift is None else f"{shift.ratio - 1:+.1%} [{shift.low - 1:+.1%}, {shift.high - 1:+.1%}]",
            f"{verdict.noise:.1%}" if shift else "",
            f"{verdict.measured}x" if shift else "",
            "; ".join(verdict.reasons),
        )
    return rows


def _print_trials(result: TrialResult) -> None:
    rows = table(
        f"the gate on trial: {result.trials} comparisons of each kind, {result.seconds:.0f} s",
        ("what was compared", "called different", "ratio: smallest", "median", "largest"),
        left=["what was compared"],
    )
    for name, count, ratios in (
        ("an artifact with itself", result.false_alarms, sorted(result.ratios_same)),
        (f"with itself, slowed by {result.slowdown:.0%}", result.found, sorted(result.ratios_slowed)),
    ):
        cells = (ratios[0], median(ratios), ratios[-1])
        rows.add_row(name, f"{count} of {result.trials}", *(f"{ratio:.3f}" for ratio in cells))
    stdout().print(rows)
    stdout().print(f"noise of one sample: {result.noise:.1%}")
