"""The wheel and the source distribution, installed into clean environments as a user would."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from ensharpen_edge.artifact import Artifact

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory, distributions: dict[str, Path], run) -> Path:
    """The `bin` of an environment that holds the wheel and its own dependencies only."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder)
    binaries = folder / "bin"
    run(*installer(binaries), "-q", distributions["wheel"])
    return binaries


def installer(binaries: Path) -> tuple[object, ...]:
    """Our own pip, told where to install: a copy in each environment takes longer than what it installs."""
    return (sys.executable, "-m", "pip", "--python", binaries / "python", "install")


def test_wheel_leaks_no_top_level_folder(distributions):
    names = zipfile.ZipFile(distributions["wheel"]).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"ensharpen_edge"}
    for needed in ("py.typed", "weights/nano.safetensors", "weights/nano.json", "runtime/cli.py"):
        assert f"ensharpen_edge/{needed}" in names
    assert any(name.startswith("ensharpen_edge/imaging/bundled_photos/") for name in names)


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


def test_wheel_runs_without_torch(run, clean, artifact: Artifact, photo_folder, tmp_path):
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
def test_source_tree_installs(run, clean, source, mode, tmp_path):
    run(*installer(clean), "-q", "--no-deps", "--force-reinstall", *mode, source)
    code = "import ensharpen_edge.runtime.cli as m, ensharpen_edge.export.proof.ladder; print(m.__file__)"
    location = run(clean / "python", "-c", code, cwd=tmp_path)
    assert (str(source) in location) == bool(mode)
