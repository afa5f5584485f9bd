"""The explicit package list, and nothing beside it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ensharpen_edge import __version__

ROOT = Path(__file__).parents[2]
FOLDERS = {"ensharpen_edge": "ensharpen_edge"} | {
    name: f"ensharpen_edge.{name}" for name in ("runtime", "calibration", "export", "benchmarks")
}


def listed_packages() -> set[str]:
    text = (ROOT / "pyproject.toml").read_text()
    block = re.search(r"^packages = \[(.*?)^\]", text, re.S | re.M)
    assert block
    return set(re.findall(r'"([\w.]+)"', block[1]))


def packages_on_disk() -> set[str]:
    found = set()
    for folder, package in FOLDERS.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            parts = init.parent.relative_to(ROOT / folder).parts
            found.add(".".join((package, *parts)))
    return found


def test_listed_packages_are_those_on_disk():
    assert listed_packages() == packages_on_disk()


@pytest.mark.parametrize("folder", sorted(FOLDERS))
def test_every_folder_with_code_is_a_package(folder):
    for file in (ROOT / folder).rglob("*.py"):
        assert (file.parent / "__init__.py").exists(), f"{file} would be missing from the wheel"


def test_version_is_the_same_everywhere():
    text = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{__version__}"' in text
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_top_level_is_the_documented_one():
    expected = {"ensharpen_edge", "export", "calibration", "runtime", "benchmarks", "tests", "docs"}
    ignored = {"build", "dist", "runs"}
    folders = {p.name for p in ROOT.iterdir() if p.is_dir() and not p.name.startswith(".")}
    folders = {name for name in folders if not name.endswith(".egg-info")} - ignored
    assert folders <= expected
