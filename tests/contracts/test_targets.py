"""The contract of every export target in the registry: nano through the whole pipeline, and what must be refused."""

from __future__ import annotations

import ast
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.artifact_manifest import FLOAT_DTYPE, FORMATS
from ensharpen_edge.errors import EnsharpenError, ParityError, UsageError
from ensharpen_edge.export import targets
from ensharpen_edge.export.pipeline import export_model
from ensharpen_edge.export.precision import PRECISIONS, find_precision
from ensharpen_edge.export.request import ExportRequest
from ensharpen_edge.export.targets.options import TargetOptions, command_options
from ensharpen_edge.export.targets.registry import TARGETS, find_options, find_target, read_options
from ensharpen_edge.runtime.engines.registry import open_engine

pytestmark = pytest.mark.slow

SIZE = (192, 192)
"""A small window: the smallest multiple of every target's grid that a photograph can be cut for."""

CASES = [(name, precision) for name in TARGETS for precision in ("fp32", "int8")]


@pytest.fixture(scope="module")
def judge(photo_folder, tmp_path_factory) -> Path:
    """A folder of one photograph, for exports whose quality is judged elsewhere."""
    folder = tmp_path_factory.mktemp("judge")
    shutil.copy(photo_folder / "raft.png", folder)
    return folder


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def exported(request, shipped_export) -> Artifact:
    """A request that names nothing but model, target, precision and size: int8 takes the table of the model."""
    return shipped_export(*request.param, SIZE)


def test_the_artifact_says_what_it_is(exported):
    artifact = Artifact.open(exported.path)
    manifest = artifact.manifest
    assert artifact.path.name == f"nano-{manifest.target}-{manifest.precision}"
    assert manifest.traits.format in FORMATS
    assert all(side % manifest.traits.grid == 0 for side in SIZE)
    assert (manifest.shape.height, manifest.shape.width) == SIZE
    assert manifest.shape.tile_exact
    assert (manifest.task, manifest.io.enlarges) == ("sharpen", 1)
    assert len(manifest.source["checkpoint_sha256"]) == 64
    assert bool(manifest.calibration_key) == find_precision(manifest.precision).calibrated
    assert manifest.gate["retained"] > 0.98
    card = (artifact.path / "README.md").read_text()
    assert manifest.source["checkpoint_sha256"] in card
    assert "exact tiling | yes" in card
    report = json.loads((artifact.path.parent / f"{artifact.path.name}.report.json").read_text())
    assert report["passed"]
    assert report["parity"]["rungs"] == manifest.parity["rungs"]


def test_an_engine_reproduces_the_golden_vectors(exported):
    golden = exported.golden()
    with open_engine(exported) as engine:
        output = engine.run(golden.input)
    assert output.dtype == golden.expected.dtype == np.dtype(exported.manifest.io.dtype)
    difference = np.abs(output.astype(np.float64) - golden.expected.astype(np.float64)).max()
    assert difference < (1e-6 if output.dtype == FLOAT_DTYPE else 1)
    assert golden.expected.std() > 0


def test_a_window_of_another_size_is_refused(exported):
    golden = exported.golden().input
    rows = golden.shape.index(SIZE[0])
    wrong = np.ascontiguousarray(golden.take(range(SIZE[0] - 32), axis=rows))
    with open_engine(exported) as engine, pytest.raises(UsageError):
        engine.run(wrong)


@pytest.mark.parametrize("target", TARGETS)
def test_a_damaged_file_leaves_nothing_but_a_report(target, judge, tmp_path):
    with pytest.raises(ParityError, match="'artifact'"):
        export_model(ExportRequest("nano", target, "fp32", tmp_path, SIZE, (judge,), fault="artifact"))
    assert [path.name for path in tmp_path.iterdir()] == [f"nano-{target}-fp32.report.json"]
    report = json.loads(next(tmp_path.iterdir()).read_text())
    assert (report["passed"], report["exit_code"]) == (False, 4)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"precision": "fp61"}, "unknown precision"),
        ({"precision": ""}, "unknown precision"),
        ({"size": (100, 100)}, "multiples of"),
        ({"size": (0, 192)}, "up to 8192"),
        ({"size": (64, 512)}, "could not be cut"),
        ({"size": (16384, 192)}, "up to 8192"),
        ({"image_dtype": "float64"}, "unknown image type"),
        ({"fault": "roof"}, "unknown stage"),
        ({"options": TargetOptions()}, "TargetOptions are for other files"),
    ],
    ids=str,
)
def test_what_no_target_can_do(target, change, message, tmp_path):
    wanted = {"model": "nano", "target": target, "precision": "fp32", "out": tmp_path, "size": SIZE} | change
    with pytest.raises(UsageError, match=message):
        export_model(ExportRequest(**wanted))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("target", TARGETS)
def test_options_of_other_targets_are_refused(target, tmp_path):
    mine = {option.field for option in command_options(find_options(target))}
    for other in TARGETS:
        options = find_options(other)
        if other != target:
            with pytest.raises(UsageError, match=options.files):
                ExportRequest("nano", target, "fp32", tmp_path, options=options())
        for option in command_options(options):
            if option.field not in mine:
                with pytest.raises(UsageError, match=f"{option.flag} is for .*{options.files}"):
                    read_options(target, {option.field: True if option.switch else "anything"})


@pytest.mark.parametrize("target", TARGETS)
def test_what_a_target_declares_fits_together(target):
    found = find_target(target)
    known = {precision.name for precision in PRECISIONS}
    assert found.name == target
    assert set(found.precisions) <= known
    assert set(found.schemes) == {name for name in found.precisions if find_precision(name).calibrated}
    assert set(found.image_dtypes) <= set(found.precisions)
    assert found.options is find_options(target)
    assert found.options.files != TargetOptions.files


def test_no_target_imports_another():
    folder = Path(targets.__file__).parent
    for target in TARGETS:
        for file in (folder / target).rglob("*.py"):
            nodes = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom)]
            for other in set(TARGETS) - {target}:
                modules = [node.module for node in nodes if f"export.targets.{other}" in (node.module or "")]
                assert not modules, f"{file} imports {modules}"


def test_what_has_codes_needs_photographs_unless_it_is_shipped(tmp_path):
    from ensharpen_edge.models.checkpoint import find_checkpoint

    shipped = find_checkpoint("nano").path
    for file in (shipped, shipped.with_suffix(".json")):
        shutil.copy(file, tmp_path / f"mine{file.suffix}")
    for target in TARGETS:
        with pytest.raises(EnsharpenError, match="int8 needs photographs"):
            ExportRequest(str(tmp_path / "mine.safetensors"), target, "int8", tmp_path)
