"""The CI recipes: their commands are run as their runner would, in a shell, with the variables filled in."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")]

RECIPES = Path(__file__).parents[3] / "docs" / "ci"


def github() -> list[str]:
    action = yaml.safe_load((RECIPES / "action.yml").read_text())
    inputs = {name: str(entry["default"]) for name, entry in action["inputs"].items()}
    steps = [step for step in action["runs"]["steps"] if "if" not in step]
    return [re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda match: inputs[match[1]], step["run"]) for step in steps]


def gitlab() -> list[str]:
    recipe = yaml.safe_load((RECIPES / "gitlab.yml").read_text())
    return recipe["ensharpen"]["script"]


@pytest.mark.parametrize("read", [github, gitlab])
def test_the_commands_run(read, artifact, tmp_path):
    recipe = yaml.safe_load((RECIPES / "gitlab.yml").read_text())
    shutil.copytree(artifact.path, tmp_path / "build" / artifact.path.name)
    (tmp_path / "build" / f"{artifact.path.name}.report.json").write_text("{}")
    script = [line for line in read() if not line.startswith("ensharpen-export")]
    assert len(script) == len(read()) - 1
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, **recipe["variables"], "PATH": path}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(script)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "golden image of nano-onnx-fp32: reproduced" in done.stdout


def test_a_bundle_over_its_budget_is_exit_code_6(command, bundle):
    assert command("ensharpen-bundle", "verify", bundle, "--max-bytes", 10_000_000).returncode == 0
    done = command("ensharpen-bundle", "verify", bundle, "--max-bytes", 1000)
    assert done.returncode == 6
    assert "allowed 1000" in done.stderr
