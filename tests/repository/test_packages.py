"""Every folder is a package of the wheel, and the top level is the documented one."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from ensharpen_edge import __version__

ROOT = Path(__file__).parents[2]
FOLDERS = {"ensharpen_edge": "ensharpen_edge"} | {
    name: f"ensharpen_edge.{name}" for name in ("runtime", "calibration", "export", "benchmarks")
}


@pytest.mark.parametrize("folder", sorted(FOLDERS))
def test_every_folder_with_code_is_a_package(folder):
    for file in (ROOT / folder).rglob("*.py"):
        assert (file.parent / "__init__.py").exists(), f"{file} would be missing from the wheel"


def test_version_is_the_same_everywhere():
    assert metadata.version("ensharpen-edge") == __version__
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_top_level_is_the_documented_one():
    expected = {"ensharpen_edge", "export", "calibration", "runtime", "benchmarks", "tests", "docs"}
    ignored = {"build", "dist", "runs"}
    folders = {p.name for p in ROOT.iterdir() if p.is_dir() and not p.name.startswith(".")}
    folders = {name for name in folders if not name.endswith(".egg-info")} - ignored
    assert folders <= expected
