"""Who may import whom. No import runs back up, and the runtime never sees torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GROUND = {"errors", "arrays", "files", "json_numbers", "process_memory", "artifact_manifest", "artifact", "console"}
GROUND |= {"progress", "imaging", "installed_modules", "processor_cores", "visible_text", "_version", "__version__"}
ALLOWED = {
    "__main__": {"_version", "console"},
    "api": GROUND | {"runtime", "calibration", "data", "training", "export", "benchmarks"},
    "_version": set(),
    "_checkout": set(),
    "errors": set(),
    "arrays": set(),
    "json_numbers": set(),
    "process_memory": set(),
    "installed_modules": set(),
    "processor_cores": set(),
    "visible_text": set(),
    "files": {"errors"},
    "artifact_manifest": {"errors"},
    "artifact": {"artifact_manifest", "errors", "files"},
    "progress": set(),
    "console": {"_version", "errors", "progress", "visible_text"},
    "imaging": {"arrays", "errors", "files", "imaging"},
    "metrics": GROUND | {"metrics"},
    "models": GROUND | {"models"},
    "degrade": GROUND | {"degrade"},
    "data": GROUND | {"data"},
    "weights": set(),
    "runtime": GROUND | {"runtime", "metrics", "judging"},
    "judging": GROUND | {"metrics", "models", "degrade", "data", "judging"},
    "training": GROUND | {"models", "degrade", "data", "metrics", "judging", "runtime", "training"},
    "calibration": GROUND | {"data", "degrade", "metrics", "models", "runtime", "judging", "training", "calibration"},
    # "api": the package is callable by its name there.
    "export": GROUND
    | {"models", "degrade", "data", "metrics", "judging", "training", "runtime", "calibration", "export", "api"},
    "benchmarks": GROUND | {"runtime", "metrics", "judging", "demo", "benchmarks"},
    "commands": GROUND | {"models", "data", "training", "calibration", "export", "commands"},
    "demo": GROUND | {"runtime", "metrics", "demo"},
    "doctor": GROUND | {"runtime", "doctor"},
}
"""Floors of the house: errors, arrays, files, artifact, imaging; then metrics, models, degrade, data; then judging;
then runtime; then training and calibration; then export; then what may use everything."""
TORCH_FREE = {
    "_version",
    "_checkout",
    "errors",
    "arrays",
    "files",
    "json_numbers",
    "process_memory",
    "installed_modules",
    "processor_cores",
    "visible_text",
    "artifact_manifest",
    "artifact",
    "progress",
    "console",
    "imaging",
    "metrics",
    "runtime",
    "benchmarks",
    "demo",
    "doctor",
    "weights",
}
WITH_TORCH = {"lpips_network.py", "mimo_unet.py", "nafnet.py", "rt_focuser.py"}
"""The one metric that is a network, and networks that are timed; they are imported where they are used."""


def sources() -> list[tuple[str, Path]]:
    found = []
    for file in (ROOT / "ensharpen_edge").rglob("*.py"):
        part = file.relative_to(ROOT / "ensharpen_edge").parts[0].removesuffix(".py")
        if part != "__init__":
            found.append((part, file))
    for folder in ("runtime", "calibration", "export", "benchmarks"):
        found += [(folder, file) for file in (ROOT / folder).rglob("*.py")]
    return found


COPIED = "jetson_kit"
"""A folder that also runs alone, as a copy in a kit: its modules import each other relatively."""


def imported_modules(file: Path) -> list[str]:
    modules = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level and file.parent.name == COPIED:
                continue
            assert node.level == 0, f"{file}: relative import"
            modules.append(node.module or "")
            modules += [f"{node.module}.{alias.name}" for alias in node.names if node.module == "ensharpen_edge"]
    return modules


def test_every_part_has_a_rule():
    assert {part for part, _ in sources()} <= set(ALLOWED)


@pytest.mark.parametrize("part", sorted(ALLOWED))
def test_imports_follow_the_rules(part):
    for owner, file in sources():
        if owner != part:
            continue
        for module in imported_modules(file):
            root = module.split(".")[0]
            assert root not in {"export", "runtime", "calibration", "benchmarks"}, f"{file} imports {module}"
            if root == "ensharpen_edge" and module not in {"ensharpen_edge", "ensharpen_edge.__version__"}:
                target = module.split(".")[1]
                assert target in ALLOWED[part], f"{file} imports {module}"
            if part in TORCH_FREE and file.name not in WITH_TORCH:
                assert root not in {"torch", "safetensors", "onnx"}, f"{file} imports {module}"


def test_runtime_and_command_lines_do_not_load_torch():
    code = (
        "import sys, ensharpen_edge.runtime.cli, ensharpen_edge.benchmarks.cli, ensharpen_edge.export.cli;"
        "import ensharpen_edge.calibration.cli, ensharpen_edge.commands.train;"
        "import ensharpen_edge.runtime.batch, ensharpen_edge.runtime.sharpener;"
        "import ensharpen_edge.runtime.engines.registry, ensharpen_edge.metrics.registry;"
        "assert 'torch' not in sys.modules, 'torch was imported'; assert 'onnx' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_files_hold_one_concept():
    long = [f"{f}: {n}" for _, f in sources() if (n := len(f.read_text().splitlines())) > 400]
    assert not long
