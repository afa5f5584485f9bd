"""Shared fixtures: the bundled photographs, and artifacts exported once per session by the real pipeline."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.imaging.decode import read_photo
from ensharpen_edge.imaging.photo import U8

PHOTOS = Path(__file__).parent / "data"

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def photo_folder() -> Path:
    return PHOTOS


@pytest.fixture(scope="session")
def photo() -> U8:
    """A real photograph, uint8 (384, 512, 3)."""
    return read_photo(PHOTOS / "raft.png").rgb


def export(folder: Path, precision: str, size: tuple[int, int] | None = None) -> Artifact:
    from ensharpen_edge.export.pipeline import export_model
    from ensharpen_edge.export.request import ExportRequest

    return export_model(ExportRequest("nano", "onnx", precision, folder, size)).artifact


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """The shipped nano as fp32 ONNX."""
    return export(tmp_path_factory.mktemp("fp32"), "fp32")


@pytest.fixture(scope="session")
def static_artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """The shipped nano as fp32 ONNX for windows of 160x192 only."""
    return export(tmp_path_factory.mktemp("static"), "fp32", (160, 192))


@pytest.fixture(scope="session")
def command() -> Command:
    """Run one of the project's commands as a user would; returns the finished process."""

    def run(name: str, *arguments: object, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        script = Path(sys.executable).parent / name
        environment = {"OMP_NUM_THREADS": "2", **os.environ, "NO_COLOR": "1"}
        return subprocess.run(
            [str(script), *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment,
        )

    return run


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
