"""Verdicts as CI systems read them: JUnit XML, a Markdown summary, GitHub's annotations.

Names and reasons may hold anything; each format's own function makes text fit for it, here and nowhere else.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence

from ensharpen_edge.benchmarks.markdown_table import markdown_row, markdown_text
from ensharpen_edge.benchmarks.regression.decision import Outcome, Verdict
from ensharpen_edge.visible_text import visible

_SKIPPED = (Outcome.NOT_RUN,)
_GROUPS = {Outcome.NOT_RUN: "not run", Outcome.NEW: "new"}


def junit_xml(verdicts: Sequence[Verdict]) -> bytes:
    """Return a JUnit report with one test case for each benchmark."""
    suite = ElementTree.Element(
        "testsuite",
        name="ensharpen-bench compare",
        tests=str(len(verdicts)),
        failures=str(sum(verdict.failed for verdict in verdicts)),
        skipped=str(sum(verdict.outcome in _SKIPPED for verdict in verdicts)),
    )
    for verdict in verdicts:
        seconds = f"{(verdict.head_ms or 0.0) / 1000:.6f}"
        name, text = visible(verdict.name), visible("; ".join(verdict.reasons))
        case = ElementTree.SubElement(suite, "testcase", classname="benchmark", name=name, time=seconds)
        if verdict.failed:
            ElementTree.SubElement(case, "failure", message=f"{verdict.outcome.value}: {text}").text = text
        elif verdict.outcome in _SKIPPED:
            ElementTree.SubElement(case, "skipped", message=text)
        if verdict.warnings:
            ElementTree.SubElement(case, "system-out").text = visible("; ".join(verdict.warnings))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def markdown(verdicts: Sequence[Verdict]) -> str:
    """Return a table for a job's summary or a comment."""
    counts = Counter("failed" if verdict.failed else _GROUPS.get(verdict.outcome, "passed") for verdict in verdicts)
    title = ", ".join(f"{counts[group]} {group}" for group in ("failed", "passed", "not run", "new") if counts[group])
    lines = [f"### Benchmarks: {title}", "", "| benchmark | outcome | base ms | new ms | change | |"]
    lines.append("|---|---|---:|---:|---:|---|")
    for verdict in verdicts:
        shift = verdict.shift
        change = f"{shift.ratio - 1:+.1%} [{shift.low - 1:+.1%}, {shift.high - 1:+.1%}]" if shift else ""
        notes = markdown_text("; ".join((*verdict.reasons, *verdict.warnings)))
        outcome = f"**{verdict.outcome.value}**" if verdict.failed else verdict.outcome.value
        times = (_ms(verdict.base_ms), _ms(verdict.head_ms))
        lines.append(markdown_row((markdown_text(verdict.name), outcome, *times, change, notes)))
    return "\n".join(lines) + "\n"


def github_annotations(verdicts: Sequence[Verdict]) -> list[str]:
    """Return workflow commands (docs.github.com: Workflow commands for GitHub Actions) for failures and warnings."""
    lines = []
    for verdict in verdicts:
        title, text = f"{verdict.name}: {verdict.outcome.value}", "; ".join(verdict.reasons)
        if verdict.failed:
            lines.append(_command("error", title, text))
        if verdict.outcome in _SKIPPED:
            lines.append(_command("warning", title, text))
        lines += [_command("warning", verdict.name, warning) for warning in verdict.warnings]
    return lines


def _command(kind: str, title: str, text: str) -> str:
    return f"::{kind} title={_escaped(title, property_=True)}::{_escaped(text)}"


def _escaped(text: str, property_: bool = False) -> str:
    for letter, code in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
        text = text.replace(letter, code)
    text = visible(text)
    return text.replace(":", "%3A").replace(",", "%2C") if property_ else text


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
