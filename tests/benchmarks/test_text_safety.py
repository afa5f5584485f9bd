"""Names and messages may hold anything; in no format do they become more than text."""

from __future__ import annotations

import dataclasses
import html.parser
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from ensharpen_edge.benchmarks.figure import figure_svg, figure_text, load_pyplot
from ensharpen_edge.benchmarks.history.plot import plot_history
from ensharpen_edge.benchmarks.history.records import Record
from ensharpen_edge.benchmarks.history.series import Jump, Series
from ensharpen_edge.benchmarks.markdown_table import markdown_row, markdown_text
from ensharpen_edge.benchmarks.peers.contest import BLIND, SPEED_ONLY, Standing
from ensharpen_edge.benchmarks.peers.pareto import plot_pareto
from ensharpen_edge.benchmarks.quality.contact_sheet import SheetRow, write_contact_sheet
from ensharpen_edge.benchmarks.quality.markdown_tables import markdown_report
from ensharpen_edge.benchmarks.quality.scoring import Score
from ensharpen_edge.benchmarks.quality.suite_result import SuiteResult
from ensharpen_edge.benchmarks.regression.ci_formats import github_annotations, junit_xml, markdown
from ensharpen_edge.benchmarks.regression.decision import Outcome, Verdict
from ensharpen_edge.benchmarks.report.collect import Report, ReportEntry, ShownPhoto
from ensharpen_edge.benchmarks.report.page import render_report
from ensharpen_edge.benchmarks.speed.latency import Latency
from ensharpen_edge.benchmarks.speed.machine import fingerprint, machine_state
from ensharpen_edge.demo.page import DemoRow, render
from ensharpen_edge.visible_text import one_line

NAMES = [
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "new\n::error title=x::line\r::error::again",
    "raw\x1b[31m\x00\x08\x0b\ufffe",
    r"$\frac{$ and $x_{",
    r"100\% $ \$ | a\|b",
    "two  spaces",
    "undecodable \udc80 byte",
]


def verdict(name):
    return Verdict(name, Outcome.SLOWER, (f"because of {name}",), base_ms=1.0, head_ms=2.0, warnings=(name,))


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_reports_for_ci(name):
    both = [verdict(name), dataclasses.replace(verdict(name), outcome=Outcome.NOT_RUN)]
    suite = ElementTree.fromstring(junit_xml(both))[0]
    assert len(suite) == 2
    assert suite[0].find("failure").get("message").startswith("slower: because of ")
    lines = github_annotations(both)
    assert len(lines) == 4
    for line in lines:
        assert line.startswith(("::error title=", "::warning title="))
        assert len(line.splitlines()) == 1
        line.encode()
    table = markdown(both)
    assert len(table.splitlines()) == 6
    assert "<" not in table.replace("&lt;", "")
    assert not any(letter in table for letter in "\x1b\x00\r")
    table.encode()


def test_a_bar_of_a_name_is_no_column():
    cell = markdown_text("a|b\\|c\\")
    assert cell == "a\\|b\\\\\\|c\\\\"
    assert markdown_row([cell, "x"]).endswith(" | x |")


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_quality_tables(name, tmp_path):
    scores = [Score(method, {"psnr": (30.0, 31.0)}) for method in ("degraded", name)]
    text = markdown_report(name, [SuiteResult(name, {name: scores}, "protocol")], ("psnr",))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 4
    text.encode()
    assert "<" not in text.split("```")[2].replace("&lt;", "")
    rows = [SheetRow(name, {name: np.zeros((30, 40, 3), np.uint8)})]
    write_contact_sheet(rows, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height == 30 * 2 + 2 * 24, "one line of text above the crops, one above the row"


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_figures_show_the_name_as_it_is(name, tmp_path):
    pyplot = load_pyplot()
    figure, axis = pyplot.subplots()
    axis.annotate(figure_text(name), (0.5, 0.5))
    axis.set_yticks([0.2], [figure_text(name)])
    drawn = ElementTree.fromstring(figure_svg(figure))
    texts = ["".join(element.itertext()).strip() for element in drawn.iter() if element.tag.endswith("text")]
    assert texts.count(one_line(name)) == 2, texts
    standing = Standing(name, BLIND, {"a": 30.0}, {"a": 0.9}, "", 10.0, 0.0)
    others = [
        dataclasses.replace(standing, per_megapixel=None),
        dataclasses.replace(standing, kind=SPEED_ONLY, psnr={}),
    ]
    plot_pareto([standing, *others], tmp_path / "pareto.png")
    one = Record("2026", name, name, name, "0", 1.0, 1.0, 1.0, 1.0, 1.0, 9, 0.0, fingerprint(), machine_state())
    plot_history([Series(name, "m", (one, one), (Jump(1, one, 0.1),))], tmp_path / "history.svg")
    assert ElementTree.parse(tmp_path / "history.svg") is not None


class Page(html.parser.HTMLParser):
    """Tags that open, contents of scripts, values of choices, and readable text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self.values, self.text, self._script = [], [], [], "", False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self._script = tag == "script"
        assert not any(key.startswith("on") for key, _ in attributes), attributes
        self.values += [value for key, value in attributes if tag == "option" and key == "value"]

    def handle_endtag(self, tag):
        self._script = False

    def handle_data(self, data):
        if self._script:
            self.scripts.append(data)
        else:
            self.text += data


def report_of(name, manifest):
    pixels = np.random.default_rng(0).integers(0, 255, (100, 100, 3), dtype=np.uint8)
    latency = Latency(name, "onnx", "fp32", "0" * 64, 1.0, 0.0, 99.0, (64, 64), 1, (10.0, 11.0), 1.0)
    quantization = {"int8_layers": 1, "float_layers": {}, "method": name, "rounding": name, "alone_psnr": {name: 50.0}}
    described = dataclasses.replace(manifest, quantization=quantization, tools={name: name})
    entries = [
        ReportEntry(name, described, 1.0, {"a": 30.0}, None, latency, "", {name: 1.0}),
        ReportEntry(f"other {name}", described, 1.0, {"a": 31.0}, 50.0, None, name, {}),
    ]
    shown = ShownPhoto(name, pixels, pixels, {entry.name: pixels for entry in entries})
    return Report(tuple(entries), name, {"a": 20.0}, (shown,), 1, fingerprint(), machine_state(), 1)


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_the_report(name, artifact):
    text = render_report(report_of(name, artifact.manifest))
    text.encode()
    found = Page(text)
    plain = Page(render_report(report_of("plain", artifact.manifest)))
    assert found.tags == plain.tags, "a name adds no element"
    assert len(found.scripts) == 2
    sources = json.loads(found.scripts[0])
    assert set(sources) == set(found.values), "every choice has its picture"
    assert one_line(name) in found.text
    assert not any(letter in text for letter in "\x1b\x00\x08\x0b")


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_the_demonstration(name):
    text = render(name, [DemoRow(name, 10, 10, 20.0, 21.0, 1.0)])
    text.encode()
    assert Page(text).tags == Page(render("plain", [DemoRow("plain", 10, 10, 20.0, 21.0, 1.0)])).tags
    assert one_line(name) in Page(text).text


def test_a_folder_of_such_a_name(artifact, tmp_path):
    """Through the whole command, in a CI job: what GitHub would obey are the gate's own lines only."""
    name = "x\n::error title=fake::\x1b[31m[bold]$\\frac{$"
    base, head = tmp_path / "base", tmp_path / "head"
    for folder in (base, head):
        folder.mkdir()
    (base / name).symlink_to(artifact.path)
    (head / "y").symlink_to(artifact.path)
    environment = {**os.environ, "GITHUB_ACTIONS": "true"}
    code = "import sys; from ensharpen_edge.benchmarks.cli import main; sys.argv[0] = 'ensharpen-bench'; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "compare", base, head, "--size", "64", "--samples", "6"],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 6, done.stderr
    obeyed = [line for line in (done.stdout + done.stderr).splitlines() if line.lstrip().startswith("::")]
    assert [line.split("title=")[1][:1] for line in obeyed] == ["x"] * len(obeyed)
    assert sum(line.startswith("::error title=x%0A%3A%3Aerror") for line in obeyed) == 1
    assert "\x1b" not in done.stdout + done.stderr
