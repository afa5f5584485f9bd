"""Every script as a user runs it: a process of its own. Other tests call the commands inside theirs."""

from __future__ import annotations

import re

import pytest

from ensharpen_edge import __version__

from .conftest import PYPROJECT, outside

SCRIPTS = re.findall(r"^(ensharpen-[\w-]+) = ", PYPROJECT.read_text(), re.M)


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_starts_and_says_its_version(script):
    done = outside([script, "--version"])
    assert (done.returncode, done.stdout) == (0, f"{script} {__version__}\n"), done.stderr


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_mistake_ends_with_the_documented_code(script):
    done = outside([script, "--no-such-option"])
    assert done.returncode == 2
    assert "no-such-option" in done.stderr


def test_a_photograph_through_the_script(artifact, photo_folder, tmp_path):
    done = outside(["ensharpen-run", str(artifact.path), str(photo_folder / "raft.png"), "-o", str(tmp_path / "out")])
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "raft.png").stat().st_size > 100_000
    assert "raft.png" in done.stdout


def test_the_list_of_commands_names_every_script():
    done = outside(["python", "-m", "ensharpen_edge"])
    assert done.returncode == 0, done.stderr
    assert [name for name in SCRIPTS if name not in done.stdout] == []
