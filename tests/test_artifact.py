"""The artifact contract: any damage is noticed before a file is used."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ensharpen_edge import artifact_manifest as module
from ensharpen_edge.artifact import MANIFEST, Artifact, new_artifact
from ensharpen_edge.errors import IntegrityError, UsageError
from ensharpen_edge.runtime.engines.registry import open_engine


@pytest.fixture
def copy(artifact, tmp_path) -> Artifact:
    shutil.copytree(artifact.path, tmp_path / "copy")
    return Artifact.open(tmp_path / "copy")


def files(path):
    return sorted(p for p in path.rglob("*") if p.is_file())


def test_every_file_is_hashed(artifact):
    named = {artifact.path / name for name in artifact.manifest.files}
    assert named == set(files(artifact.path)) - {artifact.path / MANIFEST}
    assert artifact.manifest.model_file in artifact.manifest.files


@pytest.mark.parametrize("position", [0.0, 0.5, 0.999])
def test_one_flipped_bit_anywhere_is_noticed(copy, position):
    for file in files(copy.path):
        original = file.read_bytes()
        damaged = bytearray(original)
        damaged[int(position * (len(damaged) - 1))] ^= 1
        file.write_bytes(bytes(damaged))
        with pytest.raises(IntegrityError):
            Artifact.open(copy.path)
        file.write_bytes(original)
    Artifact.open(copy.path)


def test_every_missing_file_is_noticed(copy):
    for file in files(copy.path):
        content = file.read_bytes()
        file.unlink()
        with pytest.raises(IntegrityError):
            Artifact.open(copy.path)
        file.write_bytes(content)


def test_altered_manifest_is_refused(copy):
    path = copy.path / MANIFEST
    body = json.loads(path.read_text())
    body["shape"]["halo"] = 8
    path.write_text(json.dumps(body))
    with pytest.raises(IntegrityError, match="altered"):
        Artifact.open(copy.path)
    body["schema"] = 99
    path.write_text(json.dumps(body))
    with pytest.raises(IntegrityError, match="schema 99"):
        Artifact.open(copy.path)


def test_manifest_cannot_point_outside(copy):
    path = copy.path / MANIFEST
    body = json.loads(path.read_text())
    del body["digest"]
    body["files"]["../secret"] = "0" * 64
    path.write_text(json.dumps({**body, "digest": module.body_digest(body)}))
    with pytest.raises(IntegrityError, match="outside"):
        Artifact.open(copy.path)


def test_manifest_states_the_contract(artifact):
    manifest = artifact.manifest
    assert manifest.shape.multiple_of == 8
    assert manifest.shape.halo % 8 == 0
    assert manifest.io.layout == "NCHW"
    assert manifest.source["checkpoint_sha256"]
    assert manifest.tools["opset"] == "17"
    assert manifest.parity["rungs"][-1]["name"] == "artifact"
    assert manifest.gate["retained"] >= 0.98


@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        ("shape", "multiple_of", 0),
        ("shape", "multiple_of", "8"),
        ("shape", "halo", -8),
        ("shape", "height", 12),
        ("io", "layout", "XYZ"),
        ("io", "dtype", "float16"),
        ("io", "channels", "BGR"),
        ("io", "scale", [1.0, 0.0, 1.0]),
        ("io", "value_range", [1.0, 1.0]),
        ("io", "value_range", [0.0, None]),
        (None, "files", []),
        (None, "target", ["onnx"]),
    ],
)
def test_contracts_that_cannot_be_met_are_refused(copy, section, field, value):
    body = json.loads((copy.path / MANIFEST).read_text())
    del body["digest"]
    (body[section] if section else body)[field] = value
    (copy.path / MANIFEST).write_text(json.dumps({**body, "digest": module.body_digest(body)}))
    with pytest.raises(IntegrityError):
        Artifact.open(copy.path)


def test_a_model_of_other_tensors_is_refused(copy):
    body = json.loads((copy.path / MANIFEST).read_text())
    del body["digest"]
    body["io"]["input_name"] = "picture"
    (copy.path / MANIFEST).write_text(json.dumps({**body, "digest": module.body_digest(body)}))
    with pytest.raises(IntegrityError, match="picture"):
        open_engine(Artifact.open(copy.path))


def test_a_model_swapped_after_the_check_is_noticed(copy):
    copy.model_path.write_bytes(copy.model_path.read_bytes()[:-1] + b"\0")
    with pytest.raises(IntegrityError, match="sha256"):
        open_engine(copy)


def test_golden_vectors_must_be_hashed(copy):
    files = {name: value for name, value in copy.manifest.files.items() if "vectors" not in name}
    with pytest.raises(IntegrityError):
        Artifact(copy.path, dataclasses.replace(copy.manifest, files=files)).golden()


def test_golden_vectors_reproduce(artifact):
    golden = artifact.golden()
    with open_engine(artifact, threads=1) as engine:
        assert np.abs(engine.run(golden.input) - golden.expected).max() < 1e-6


def test_a_failed_block_leaves_nothing(tmp_path):
    def fail() -> None:
        with new_artifact(tmp_path / "a") as folder:
            (folder / "model.onnx").write_bytes(b"x")
            raise RuntimeError("conversion failed")

    with pytest.raises(RuntimeError):
        fail()
    assert not list(tmp_path.iterdir())


def test_a_failed_block_keeps_the_earlier_artifact(copy):
    def fail() -> None:
        with new_artifact(copy.path):
            raise RuntimeError("conversion failed")

    with pytest.raises(RuntimeError):
        fail()
    Artifact.open(copy.path)


def test_a_swap_that_fails_brings_the_earlier_artifact_back(copy, monkeypatch):
    rename = Path.rename

    def refuse(source: Path, target: Path) -> Path:
        if Path(target) == copy.path and not source.parent.name.startswith(f".{copy.path.name}-old-"):
            raise OSError("no space left")
        return rename(source, target)

    def replace() -> None:
        with new_artifact(copy.path) as folder:
            monkeypatch.setattr(Path, "rename", refuse)
            (folder / "model.onnx").write_bytes(b"new")

    with pytest.raises(OSError, match="no space"):
        replace()
    Artifact.open(copy.path)
    assert [p.name for p in copy.path.parent.iterdir()] == [copy.path.name]


def test_foreign_folders_are_not_replaced(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="not an artifact"), new_artifact(tmp_path / "mine"):
        pass
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_files_of_others_inside_an_artifact_protect_it(copy):
    (copy.path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match=r"thesis\.txt"), new_artifact(copy.path):
        pass
    assert (copy.path / "thesis.txt").exists()


def test_foreign_manifests_and_links_are_not_replaced(tmp_path):
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / MANIFEST).write_text('{"name": "a web page"}')
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("web", "dangling"):
        with pytest.raises(UsageError, match="not an artifact"), new_artifact(tmp_path / name):
            pass
    assert (tmp_path / "web" / MANIFEST).exists()
