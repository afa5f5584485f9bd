"""Shared fixtures: photographs, artifacts exported once for all workers by the real pipeline, and the commands."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from ensharpen_edge.arrays import U8
from ensharpen_edge.artifact import Artifact
from ensharpen_edge.imaging.decode import read_photo

PHOTOS = Path(__file__).parent / "photographs"
PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"

Command = Callable[..., "subprocess.CompletedProcess[str]"]
Exported = Callable[..., Artifact]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files of slow tests: workers that end with short ones end together."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What commands remember between calls stays out of the user's home."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache-home"))


@pytest.fixture(scope="session")
def photo_folder() -> Path:
    return PHOTOS


@pytest.fixture(scope="session")
def photo() -> U8:
    """A real photograph, uint8 (384, 512, 3)."""
    return read_photo(PHOTOS / "raft.png").rgb


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Callable[[str, Callable[[Path], object]], Path]:
    """Fill a folder once, however many workers ask for it."""
    base = tmp_path_factory.getbasetemp()
    root = (base if worker_id == "master" else base.parent) / "shared"
    root.mkdir(exist_ok=True)

    def fill(key: str, make: Callable[[Path], object]) -> Path:
        folder, finished = root / key, root / f"{key}.finished"
        with FileLock(root / f"{key}.lock"):
            if not finished.exists():
                folder.mkdir(exist_ok=True)
                make(folder)
                finished.touch()
        return folder

    return fill


@pytest.fixture(scope="session")
def shipped_export(shared) -> Exported:
    """Export a shipped model through the pipeline with its own defaults; the same call gives the same artifact."""

    def export(target: str, precision: str, size: tuple[int, int] | None = None, model: str = "nano") -> Artifact:
        from ensharpen_edge.export.pipeline import export_model
        from ensharpen_edge.export.request import ExportRequest

        sides = "any" if size is None else f"{size[0]}x{size[1]}"
        folder = shared(
            f"{model}-{target}-{precision}-{sides}",
            lambda out: export_model(ExportRequest(model, target, precision, out, size)),
        )
        return Artifact.open(folder / f"{model}-{target}-{precision}")

    return export


@pytest.fixture(scope="session")
def artifact(shipped_export: Exported) -> Artifact:
    """The shipped nano as fp32 ONNX."""
    return shipped_export("onnx", "fp32")


@pytest.fixture(scope="session")
def static_artifact(shipped_export: Exported) -> Artifact:
    """The shipped nano as fp32 ONNX for windows of 160x192 only."""
    return shipped_export("onnx", "fp32", (160, 192))


@pytest.fixture(scope="session")
def tflite_artifact(shipped_export: Exported) -> Artifact:
    """The shipped nano as fp32 TFLite."""
    return shipped_export("tflite", "fp32")


@pytest.fixture(scope="session")
def trained_artifact(shared) -> Artifact:
    """The shipped nano-int8, trained in 8 bits, as TFLite."""

    def export(out: Path) -> None:
        from ensharpen_edge.export.pipeline import export_model
        from ensharpen_edge.export.quantization import QuantizationRequest
        from ensharpen_edge.export.request import ExportRequest

        trained = QuantizationRequest(trained="nano-int8")
        export_model(ExportRequest("nano", "tflite", "int8", out, quantization=trained))

    return Artifact.open(shared("trained-tflite", export) / "nano-tflite-int8")


@pytest.fixture(scope="session")
def coreml_artifact(shipped_export: Exported) -> Artifact:
    """The shipped nano as an fp32 Core ML package for windows of 192x192 only, which the interpreter runs soonest."""
    return shipped_export("coreml", "fp32", (192, 192))


@pytest.fixture(scope="session")
def command() -> Command:
    """Run one of the project's commands; returns what a finished process would.

    The project's own commands run inside the test's process, by the function that their scripts call: starting Python
    and importing torch takes longer than most of them. `tests/test_commands.py` runs every script as a user would.
    """
    ours = dict(re.findall(r'^(ensharpen-[\w-]+) = "([\w.]+):main"', PYPROJECT.read_text(), re.M))

    def run(name: str, *arguments: object, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        line = [name, *map(str, arguments)]
        return _inside(ours[name], line) if name in ours else outside(line, timeout)

    return run


def outside(line: list[str], timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run a script of this environment as a process of its own."""
    return subprocess.run(
        [str(Path(sys.executable).parent / line[0]), *line[1:]],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={"OMP_NUM_THREADS": "2", **os.environ, "NO_COLOR": "1"},
    )


def _inside(module: str, line: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command's `main` here; what it changes of the process is put back."""
    stdout, stderr, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = line
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(stdout), redirect_stderr(stderr):
        patch.setenv("NO_COLOR", "1")
        patch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "2"))
        try:
            import_module(module).main()
            code: object = 0
        except SystemExit as end:
            code = end.code
        finally:
            sys.argv = before
            _restore_torch()
    return subprocess.CompletedProcess(line, int(str(code or 0)), stdout.getvalue(), stderr.getvalue())


def _restore_torch() -> None:
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
        torch.use_deterministic_algorithms(False)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
