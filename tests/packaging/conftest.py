"""The distributions, built once for all workers from a copy of the sources."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("ensharpen_edge", "export", "calibration", "runtime", "benchmarks")
FILES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "NOTICE", "CHANGELOG.md", "MANIFEST.in")


@pytest.fixture(scope="session")
def run():
    """Run a program that must succeed; returns what it printed."""

    def call(*arguments: object, cwd: Path | None = None) -> str:
        done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, cwd=cwd)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return call


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of the sources, so that building leaves nothing behind in the checkout."""
    return _copied(tmp_path / "source")


def _copied(folder: Path) -> Path:
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in FILES:
        shutil.copy(ROOT / file, folder / file)
    return folder


@pytest.fixture(scope="session")
def distributions(shared, run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    def build(out: Path) -> None:
        run(sys.executable, "-m", "build", "--outdir", out, _copied(tmp_path_factory.mktemp("build")))

    folder = shared("distributions", build)
    return {"wheel": next(folder.glob("*.whl")), "sdist": next(folder.glob("*.tar.gz"))}
