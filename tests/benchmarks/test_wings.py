"""Floors inside the benchmarks: no wing imports from one above it, so there is no circle."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "benchmarks"
PACKAGE = "ensharpen_edge.benchmarks"
GROUND = {"figure", "markdown_table"}
ALLOWED = {
    "figure": set(),
    "markdown_table": set(),
    "quality": GROUND,
    "speed": GROUND,
    "history": GROUND | {"speed"},
    "regression": GROUND | {"speed", "quality"},
    "peers": GROUND | {"speed", "quality"},
    "report": GROUND | {"speed", "quality", "history", "regression", "peers"},
    "benchmark": GROUND | {"speed", "quality"},
    "commands": GROUND | {"speed", "quality", "history", "regression", "peers", "report"},
    "cli": {"commands"},
}


def wing_of(file):
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


def imports_of(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            found = node.module.removeprefix(PACKAGE).strip(".")
            yield from [found] if found else [alias.name for alias in node.names]


@pytest.mark.parametrize("wing", sorted(ALLOWED))
def test_a_wing_imports_from_below_it(wing):
    files = [file for file in ROOT.rglob("*.py") if wing_of(file) == wing]
    assert files
    for file in files:
        for module in imports_of(file):
            assert module.split(".")[0] in ALLOWED[wing] | {wing}, f"{file} imports {module}"


def test_every_wing_has_a_rule():
    assert {wing_of(file) for file in ROOT.rglob("*.py")} - {"__init__"} == set(ALLOWED)


def test_nothing_imports_from_a_command():
    rooms = [ROOT.parent / name for name in ("benchmarks", "ensharpen_edge/demo", "ensharpen_edge/doctor")]
    for file in (file for room in rooms for file in room.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            module = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
            own = file == ROOT / "cli.py" or (wing_of(file) == "commands" if file.is_relative_to(ROOT) else False)
            if not own and file != ROOT / "speed" / "overhead.py":  # until `process` has left the runtime's command
                assert not module.endswith(".cli"), f"{file} imports {module}"
                assert ".commands" not in module, f"{file} imports {module}"
