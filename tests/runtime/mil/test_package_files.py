"""A Core ML package reads the files that the artifact's manifest hashes, and no others."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from ensharpen_edge.artifact import Artifact, seal
from ensharpen_edge.artifact_manifest import FileTraits, IoContract, Manifest, ShapeContract
from ensharpen_edge.errors import IntegrityError
from ensharpen_edge.runtime.engines.coreml import INTERPRETER
from ensharpen_edge.runtime.engines.registry import open_engine
from ensharpen_edge.runtime.mil.package_files import check_package_files
from ensharpen_edge.runtime.mil.quiet import quiet

SPECIFICATION = "Data/com.apple.CoreML/model.mlmodel"
WEIGHT = np.zeros((3, 3, 3, 3), np.float32)
WEIGHT[range(3), range(3), 1, 1] = 0.5
"""Half of every pixel. Ten numbers and more are stored in the weight file."""


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A real package of one convolution, whose weights are in its weight file."""
    with quiet():
        import coremltools as ct
        from coremltools.converters.mil import Builder as mb

        @mb.program(input_specs=[mb.TensorSpec(shape=(1, 3, 8, 8))], opset_version=ct.target.iOS16)
        def program(image):
            return mb.conv(x=image, weight=WEIGHT, pad_type="custom", pad=[1, 1, 1, 1], name="sharp")

        path = tmp_path_factory.mktemp("package") / "model.mlpackage"
        ct.convert(program, convert_to="mlprogram", compute_precision=ct.precision.FLOAT32).save(str(path))
    return path


@pytest.fixture
def folder(package, tmp_path):
    shutil.copytree(package, tmp_path / "artifact" / "model.mlpackage")
    return tmp_path / "artifact"


def sealed(folder, left_out: str | None = None) -> Artifact:
    """An artifact of a folder, one file of which the manifest may not know."""
    shape, name = ShapeContract(8, 8, 8, 0, 0), "model.mlpackage/Manifest.json"
    manifest = Manifest(
        "m", "coreml", "fp32", "sharpen", name, FileTraits("mlpackage"), IoContract("image", "sharp"), shape, {}
    )
    away = folder.parent / "away"
    if left_out:
        (folder / left_out).rename(away)
    seal(folder, manifest)
    if left_out:
        away.rename(folder / left_out)
    return Artifact.open(folder)


def renamed(folder, name: str) -> None:
    """Let the specification name another weight file."""
    from coremltools.proto import Model_pb2

    path = folder / "model.mlpackage" / SPECIFICATION
    model = Model_pb2.Model.FromString(path.read_bytes())
    (block,) = model.mlProgram.functions["main"].block_specializations.values()
    stored = [op.attributes["val"].blobFileValue for op in block.operations if op.type == "const"]
    (file,) = [value for value in stored if value.fileName]
    file.fileName = name
    path.write_bytes(model.SerializeToString())


def relisted(folder, **paths: str) -> None:
    """Let the package's own manifest name other files for its items."""
    path = folder / "model.mlpackage" / "Manifest.json"
    body = json.loads(path.read_text())
    for entry in body["itemInfoEntries"].values():
        entry["path"] = paths.get(entry["name"].split(".")[0], entry["path"])
    path.write_text(json.dumps(body))


def test_a_package_of_hashed_files_runs(folder):
    with open_engine(sealed(folder), INTERPRETER) as engine:
        output = engine.run(np.ones((1, 3, 8, 8), np.float32))
        assert engine.device == INTERPRETER
    assert np.array_equal(output, np.full((1, 3, 8, 8), 0.5, np.float32))


@pytest.mark.parametrize(
    "name",
    [
        "@model_path/../../../../secret.bin",
        "@model_path/weights/../../../../../weights/weight.bin",
        "@model_path//etc/weights/weight.bin",
        "/etc/weights/weight.bin",
        "weights/weight.bin",
        "file:///weights/weight.bin",
        "@model_path/weight.bin",
        "@model_path/elsewhere/weight.bin",
        r"@model_path/weights\..\..\weight.bin",
        "@model_path/",
        "@model_path/weights/missing.bin",
    ],
)
def test_weight_files_elsewhere_are_refused(folder, name):
    """Also those of which coremltools, which looks at the last part only, would read the right file."""
    renamed(folder, name)
    with pytest.raises(IntegrityError, match=r"lies elsewhere|no hash of the manifest covers"):
        open_engine(sealed(folder), INTERPRETER)


def test_weights_that_the_manifest_does_not_know_are_refused(folder):
    opened = sealed(folder, left_out="model.mlpackage/Data/com.apple.CoreML/weights/weight.bin")
    with pytest.raises(IntegrityError, match=r"weight\.bin, which no hash of the manifest covers"):
        open_engine(opened, INTERPRETER)


def test_specifications_that_the_manifest_does_not_know_are_refused(folder):
    opened = sealed(folder, left_out=f"model.mlpackage/{SPECIFICATION}")
    with pytest.raises(IntegrityError, match="differs from its sha256"):
        open_engine(opened, INTERPRETER)


@pytest.mark.parametrize(
    "paths",
    [
        {"model": "../../../outside.mlmodel"},
        {"model": "/etc/model.mlmodel"},
        {"model": "com.apple.CoreML/../../../outside.mlmodel"},
        {"model": ""},
        {"weights": "../../../outside"},
        {"weights": "/etc"},
    ],
    ids=str,
)
def test_items_outside_the_package_are_refused(folder, package, paths):
    shutil.copy(package / SPECIFICATION, folder.parent / "outside.mlmodel")
    shutil.copytree(package / "Data/com.apple.CoreML/weights", folder.parent / "outside")
    relisted(folder, **paths)
    with pytest.raises(IntegrityError, match="not a Core ML package of this artifact's files"):
        open_engine(sealed(folder), INTERPRETER)


def test_weights_are_not_taken_from_another_folder_of_the_package(folder):
    """Core ML would read the file that is named, coremltools one of the same name in the folder of weights."""
    shutil.copytree(folder / "model.mlpackage/Data/com.apple.CoreML/weights", folder / "model.mlpackage/Data/more")
    relisted(folder, weights="more")
    with pytest.raises(IntegrityError, match="no hash of the manifest covers"):
        open_engine(sealed(folder), INTERPRETER)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"itemInfoEntries": {}, "rootModelIdentifier": "a"}',
        '{"itemInfoEntries": {"a": {"path": 5}}, "rootModelIdentifier": "a"}',
        '{"itemInfoEntries": {"a": {"path": "x"}, "a": {"path": "y"}}, "rootModelIdentifier": "a"}',
        "[" * 100_000,
    ],
    ids=lambda text: text[:60],
)
def test_damaged_lists_of_items_are_refused(folder, text):
    (folder / "model.mlpackage" / "Manifest.json").write_text(text)
    with pytest.raises(IntegrityError, match="not a Core ML package"):
        check_package_files(sealed(folder))


def test_other_kinds_of_models_are_refused(folder):
    """A linked model is read from a path of its own."""
    from coremltools.proto import Model_pb2

    path = folder / "model.mlpackage" / SPECIFICATION
    model = Model_pb2.Model.FromString(path.read_bytes())
    model.linkedModel.linkedModelFile.linkedModelFileName.defaultValue = "../../../outside.mlmodelc"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(IntegrityError, match="holds linkedModel, not an ML program"):
        open_engine(sealed(folder), INTERPRETER)
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(IntegrityError, match=r"model\.mlmodel"):
        open_engine(sealed(folder), INTERPRETER)
