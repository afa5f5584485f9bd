"""Many photographs through the library, which can do all that the command can."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

from ensharpen_edge.errors import BadInputError, UsageError
from ensharpen_edge.runtime.batch import output_paths, prepare_folder, process, sharpen_files
from ensharpen_edge.runtime.sharpener import load


@pytest.fixture(scope="module")
def sharpener(artifact):
    with load(artifact, threads=1) as opened:
        yield opened


@pytest.fixture
def inputs(tmp_path, photo_folder):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        shutil.copy(photo_folder / "raft.png", folder / name)
    return folder


def test_good_photographs_beside_bad_ones(sharpener, inputs, tmp_path):
    seen = []
    sources = [inputs / "a.png", inputs / "none.png", inputs / "a.png", inputs / "b.png"]
    results = sharpen_files(
        sharpener, sources, tmp_path / "out", suffix="webp", tile=128, progress=lambda *told: seen.append(told)
    )
    assert not seen, "nothing is done before a result is asked for"
    first = next(results)
    assert first.output == tmp_path / "out" / "a.webp"
    assert {doing for doing, _, _ in seen} == {"a.png, sharpening"}
    assert seen[-1][1] == seen[-1][2] == first.timing.tiles > 1
    bad, last = results
    assert isinstance(bad.error, BadInputError)
    assert bad.to_dict() == {"source": str(inputs / "none.png"), "error": str(bad.error)}
    assert last.to_dict()["tiles"] == first.timing.tiles
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.webp", "b.webp"]


def test_mistakes_show_at_the_call(sharpener, inputs, tmp_path):
    out, photos = tmp_path / "out", [inputs / "a.png"]
    with pytest.raises(UsageError, match="'bmp' is not written"):
        sharpen_files(sharpener, photos, out, suffix="bmp")
    with pytest.raises(UsageError, match="--tile must be"):
        sharpen_files(sharpener, photos, out, tile=0)
    with pytest.raises(UsageError, match="exists beside"):
        sharpen_files(sharpener, photos, inputs)
    assert not out.exists()
    list(sharpen_files(sharpener, photos, out))
    with pytest.raises(UsageError, match="exists already"):
        sharpen_files(sharpener, photos, out)
    (again,) = sharpen_files(sharpener, photos, out, overwrite=True)
    assert again.error is None
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInputError, match="cannot be created"):
        prepare_folder(tmp_path / "file")


def test_one_photograph(sharpener, inputs, tmp_path):
    done = process(sharpener, inputs / "a.png", tmp_path / "a.jpg")
    assert (done.width, done.height, done.error) == (512, 384, None)
    refused = process(sharpener, inputs / "a.png", tmp_path / "a.jpg")
    assert isinstance(refused.error, UsageError)
    assert refused.output is None


def test_a_photograph_that_is_named_twice_goes_there_once(inputs, tmp_path):
    photos = [inputs / "a.png", inputs / "b.png", inputs / "a.png"]
    assert output_paths(photos, tmp_path / "o", None) == [tmp_path / "o" / "a.png", tmp_path / "o" / "b.png"]


def test_nothing_imports_from_a_command():
    root = Path(__file__).parents[2]
    for folder in ("ensharpen_edge", "runtime", "calibration", "export", "benchmarks"):
        for file in (root / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
                assert module != "ensharpen_edge.runtime.cli", f"{file} imports {module}"
