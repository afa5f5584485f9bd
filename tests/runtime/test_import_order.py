"""No module of the runtime imports, by whatever way, a module that imports it; imports within functions count."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

RUNTIME = Path(__file__).parents[2] / "runtime"
PREFIX = "ensharpen_edge.runtime."


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(RUNTIME).with_suffix("").parts)


def imported(file: Path) -> set[str]:
    folder = name_of(file).rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            found.add(f"{folder}.{module}" if node.level else module.removeprefix(PREFIX))
    return found


def test_there_is_no_circle():
    files = {name_of(file): file for file in RUNTIME.rglob("*.py")}
    graph = {name: imported(file) & set(files) for name, file in files.items()}
    assert graph["jetson_kit.memory_choice"] >= {"jetson_kit.memory", "jetson_kit.memory_cudart"}
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle
    assert len(order) == len(files)
