"""What the documents promise is what the code does. Their commands are run in tests/documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ensharpen_edge.errors import ExitCode
from ensharpen_edge.export.targets.registry import TARGETS, find_target
from ensharpen_edge.models.complexity import count_parameters, gmac_per_megapixel
from ensharpen_edge.models.folding import fold_branches
from ensharpen_edge.models.geometry import geometry
from ensharpen_edge.models.registry import MODELS
from ensharpen_edge.models.student import Student

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = (*sorted(ROOT.glob("*.md")), *DOCS)
INTERRUPTED = 130
"""The shell's code for a process that was interrupted: no `ExitCode`, because no command chooses it."""


def anchors(page: Path) -> set[str]:
    """The names that links can end with: headings in lower case, spaces as hyphens, without punctuation."""
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.+)$", prose, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_exit_codes_are_all_listed():
    rows = re.findall(r"^\| (\d+) \| ", (ROOT / "docs" / "exit-codes.md").read_text(), re.M)
    assert [int(code) for code in rows] == [*sorted(ExitCode), INTERRUPTED]


def test_the_table_of_students_is_right():
    for config in MODELS:
        folded = fold_branches(Student(config))
        shape = geometry(config)
        row = (
            f"| `{config.name}` | {count_parameters(folded):,} | {gmac_per_megapixel(folded):.1f} | "
            f"{shape.receptive_radius} px | {shape.halo} px |"
        )
        assert row in README


def test_shipped_weights_are_all_listed():
    for card in (ROOT / "ensharpen_edge" / "weights").glob("*.json"):
        assert f"| `{card.stem}` |" in README


def test_the_table_of_targets_is_right():
    rows = re.findall(r"^\| `(\w+)` \| (fp32, [^|]+) \|", README, re.M)
    assert len(rows) == len(TARGETS)
    for name, precisions in rows:
        assert precisions == ", ".join(find_target(name).precisions)


def test_the_gate_runs_the_documented_command():
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    assert "make test" in README


def test_the_readme_is_one_page():
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_exist(page):
    text = page.read_text()
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        file, _, anchor = target.partition("#")
        linked = page.parent / file if file else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target
    assert not re.findall(r"@[A-Z]+@", text), "a figure was not filled in"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_extras_exist(page):
    project = (ROOT / "pyproject.toml").read_text()
    section = project.split("[project.optional-dependencies]")[1].split("\n[")[0]
    known = re.findall(r"^([\w-]+) = \[", section, re.M)
    for names in re.findall(r"pip install [^\n`]*?\.\[([\w,-]+)\]", page.read_text()):
        assert set(names.split(",")) <= set(known)


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_pages_begin_with_their_purpose_and_a_command(page):
    assert re.match(r"# .+\n\n[A-Z][^#]+?\n\n```(sh|console)", page.read_text())


def test_the_index_lists_every_page():
    index = (ROOT / "docs" / "README.md").read_text()
    assert set(re.findall(r"^\| \[(\S+\.md)\]\(\1\)", index, re.M)) == {page.name for page in DOCS} - {"README.md"}


def test_every_picture_is_shown():
    shown = {Path(target).name for page in PAGES for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text())}
    assert {picture.name for picture in (ROOT / "docs").glob("*.png")} == shown
