"""What the documents promise is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from ensharpen_edge.errors import ExitCode
from ensharpen_edge.models.complexity import count_parameters, gmac_per_megapixel
from ensharpen_edge.models.folding import fold_branches
from ensharpen_edge.models.geometry import geometry
from ensharpen_edge.models.registry import MODELS
from ensharpen_edge.models.student import Student

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_exit_codes_are_all_listed():
    listed = {int(code) for code in re.findall(r"^\| (\d) \| ", README, re.M)}
    assert listed == {int(code) for code in ExitCode}


def test_the_table_of_students_is_right():
    for config in MODELS:
        folded = fold_branches(Student(config))
        shape = geometry(config)
        row = (
            f"| `{config.name}` | {count_parameters(folded):,} | {gmac_per_megapixel(folded):.1f} | "
            f"{shape.receptive_radius} px | {shape.halo} px |"
        )
        assert row in README


def test_the_gate_runs_the_documented_command():
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    assert "make test" in README


def test_links_and_pictures_exist():
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (ROOT / target).exists(), target
    assert not re.findall(r"@[A-Z]+@", README), "a figure was not filled in"
