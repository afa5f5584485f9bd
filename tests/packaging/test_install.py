"""The wheel and the source distribution, installed into clean environments as a user would."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from ensharpen_edge.artifact import Artifact

ROOT = Path(__file__).parents[2]
PARTS = ("ensharpen_edge", "export", "calibration", "runtime", "benchmarks")
FILES = ("pyproject.toml", "README.md", "LICENSE", "NOTICE", "CHANGELOG.md", "MANIFEST.in")

pytestmark = pytest.mark.timeout(900)


def run(*arguments: object, cwd: Path | None = None) -> str:
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, so that building leaves nothing behind in the checkout."""
    folder = tmp_path_factory.mktemp("source")
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in FILES:
        shutil.copy(ROOT / file, folder / file)
    return folder


@pytest.fixture(scope="module")
def distributions(source: Path) -> dict[str, Path]:
    run(sys.executable, "-m", "build", "--outdir", source / "dist", source)
    return {
        "wheel": next((source / "dist").glob("*.whl")),
        "sdist": next((source / "dist").glob("*.tar.gz")),
    }


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory, distributions: dict[str, Path]) -> Path:
    """The `bin` of an environment that holds the wheel and its own dependencies only."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=True)
    binaries = folder / "bin"
    run(binaries / "pip", "install", "-q", distributions["wheel"])
    return binaries


def test_wheel_leaks_no_top_level_folder(distributions):
    names = zipfile.ZipFile(distributions["wheel"]).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"ensharpen_edge"}
    for needed in ("py.typed", "weights/nano.safetensors", "weights/nano.json", "runtime/cli.py"):
        assert f"ensharpen_edge/{needed}" in names
    assert any(name.startswith("ensharpen_edge/export/probe_photos/") for name in names)


def test_sdist_holds_what_the_wheel_is_built_from(distributions):
    with tarfile.open(distributions["sdist"]) as archive:
        names = archive.getnames()
    for needed in (
        "runtime/tiling.py",
        "export/pipeline.py",
        "ensharpen_edge/weights/nano.safetensors",
        "LICENSE",
    ):
        assert any(name.endswith("/" + needed) for name in names), needed


def test_wheel_runs_without_torch(clean, artifact: Artifact, photo_folder, tmp_path):
    assert "Sharpen photographs" in run(clean / "ensharpen-run", "--help")
    code = "import ensharpen_edge.runtime, importlib.util as u; assert u.find_spec('torch') is None; print('ok')"
    assert "ok" in run(clean / "python", "-c", code, cwd=tmp_path)
    run(
        clean / "ensharpen-run",
        artifact.path,
        photo_folder / "raft.png",
        "-o",
        tmp_path / "sharp",
        cwd=tmp_path,
    )
    assert (tmp_path / "sharp" / "raft.png").stat().st_size > 100_000


def test_missing_extra_is_named_with_its_install_line(clean, tmp_path):
    done = subprocess.run(
        [str(clean / "ensharpen-export"), "--target", "onnx"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 3
    assert 'pip install "ensharpen-edge[onnx]"' in done.stderr


@pytest.mark.parametrize("mode", [(), ("-e",)], ids=["regular", "editable"])
def test_source_tree_installs(clean, source, mode, tmp_path):
    run(clean / "pip", "install", "-q", "--no-deps", "--force-reinstall", *mode, source)
    code = "import ensharpen_edge.runtime.cli as m, ensharpen_edge.export.parity; print(m.__file__)"
    location = run(clean / "python", "-c", code, cwd=tmp_path)
    assert (str(source) in location) == bool(mode)
