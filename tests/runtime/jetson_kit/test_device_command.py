"""The kit's command without a device: what it explains, refuses, chooses and writes."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ensharpen_edge.runtime.jetson_kit as package
from ensharpen_edge.artifact import Artifact
from ensharpen_edge.errors import IntegrityError, MissingToolError, UsageError
from ensharpen_edge.runtime.jetson_kit.build import check_shapes
from ensharpen_edge.runtime.jetson_kit.device_command import LIMITS, _facts, choose, explain, psnr, self_test
from ensharpen_edge.runtime.jetson_kit.driver import Gpu, find_gpu
from ensharpen_edge.runtime.jetson_kit.faults import DeviceError
from ensharpen_edge.runtime.jetson_kit.kit import Kit, check_destination, open_kit, write_artifact

MODULES = sorted(Path(package.__file__).parent.glob("*.py"))
SHAPES = ((1, 3, 64, 64), (1, 3, 720, 1280), (1, 3, 1088, 1920))


@pytest.fixture(scope="module")
def kit(shipped_export, tmp_path_factory):
    """A copy, because some of these tests write into it."""
    made = shipped_export("trt", "fp16").path
    return shutil.copytree(made, tmp_path_factory.mktemp("kit") / made.name)


def call(kit, *arguments):
    return subprocess.run(
        [sys.executable, "-I", str(kit / "build_engine.py"), *arguments], capture_output=True, text=True
    )


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_the_modules_run_on_the_oldest_jetpack(path):
    """Python 3.8, and nothing but the standard library, numpy, NVIDIA's packages and each other."""
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))
    allowed = {*sys.stdlib_module_names, "numpy", "tensorrt", "pycuda", "cuda"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= allowed
        if isinstance(node, ast.ImportFrom):
            assert node.level == 1 or (node.module or "").split(".")[0] in allowed
        if isinstance(node, ast.Call):
            assert not any(word.arg == "strict" for word in node.keywords), "zip(strict) is of 3.10"
            assert getattr(node.func, "attr", "") not in ("removeprefix", "removesuffix", "bit_count")
    abstract = [
        node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "collections.abc"
    ]
    plain = {"list", "dict", "tuple", "set", "type", *(alias.name for node in abstract for alias in node.names)}
    assert not plain & set(subscripted(tree)), "takes no arguments before 3.9"


def subscripted(tree):
    """Names that are given arguments in square brackets when a module runs: annotations are never looked at."""
    notes = [getattr(node, field, None) for node in ast.walk(tree) for field in ("annotation", "returns")]
    unread = {id(inner) for note in notes if note is not None for inner in ast.walk(note)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and id(node) not in unread and isinstance(node.value, ast.Name):
            yield node.value.id


def test_a_dry_run_explains_every_jetpack(kit):
    done = call(kit, "--dry-run")
    assert done.returncode == 0, done.stderr
    for text in (
        "JetPack 5.1.1",
        "JetPack 6.1",
        "JetPack 7.2",
        "TensorRT 8.5.2",
        "--fp16",
        "--stronglyTyped",
        "1088x1920",
    ):
        assert text in done.stdout


def test_a_dry_run_for_the_accelerator_shows_its_graph_where_there_is_one(kit):
    lines = []
    explain(open_kit(kit), ((1, 3, 128, 128),) * 3, lines.append, dla=0)
    text = "\n".join(lines)
    assert "1. fp16 from dla.onnx" in text
    assert text.count("drives no accelerator") == 3, "JetPack 7"
    done = call(kit, "--dry-run", "--dla", "0")
    assert done.returncode == 2
    assert "no graph for the accelerator" in done.stderr


def test_without_a_driver_it_says_so_and_nothing_crashes(kit):
    try:
        find_gpu()
    except DeviceError:
        done = call(kit)
        assert done.returncode == 3
        assert "driver" in done.stderr
    else:
        pytest.skip("this machine has a GPU")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--max", "1000x1001"), "multiples of 8"),
        (("--opt", "32x32"), "larger than"),
        (("--opt", "big"), "is no size"),
        (("--min", "720x1280"), "tested with 128x128 pixels"),
        (("--opt", "120x120", "--max", "120x120"), "tested with 128x128 pixels"),
    ],
)
def test_sizes_that_cannot_be(kit, arguments, message):
    done = call(kit, "--dry-run", *arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_altered_files_are_refused(kit, tmp_path):
    copy = tmp_path / "kit"
    shutil.copytree(kit, copy)
    graph = copy / "fp16.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"x")
    done = call(copy, "--dry-run")
    assert done.returncode == 8
    assert "fp16.onnx is missing or altered" in done.stderr
    (copy / "manifest.json").unlink()
    assert call(copy, "--dry-run").returncode == 8


def row(precision, milliseconds, quality):
    tested = {"psnr": quality, "needed": LIMITS[precision], "score_drop": None, "passed": quality >= LIMITS[precision]}
    return {"precision": precision, "milliseconds": milliseconds, **tested, "engine": b"", "layers": {}}


def test_int8_must_be_worth_it():
    assert choose([row("int8", 8.0, 50.0), row("fp16", 10.0, 70.0)])["precision"] == "int8"
    slow = choose([row("int8", 9.9, 50.0), row("fp16", 10.0, 70.0)])
    assert slow["precision"] == "fp16"
    assert "99%" in slow["reason"]
    wrong = choose([row("int8", 5.0, 30.0), row("fp16", 10.0, 70.0)])
    assert wrong["precision"] == "fp16"
    assert "golden" in wrong["reason"]
    with pytest.raises(DeviceError, match=r"needs 44 dB") as error:
        choose([row("int8", 5.0, 30.0), row("fp16", 10.0, float("-inf"))])
    assert error.value.code == 4


def test_engines_are_held_to_the_kit_that_they_are_of(kit, tmp_path):
    """Floats need not come nearer to what integers made than integers do; trained ones pass by their score, too."""
    opened = open_kit(kit)
    expected = opened.golden()[1]
    near = np.clip(expected + np.float32(0.003), 0, 1)
    floats = self_test(opened, "fp16", near)
    assert (floats["needed"], floats["passed"], floats["score_drop"]) == (55.0, False, None)

    vectors = {"input": opened.golden()[0], "expected": expected, "truth": expected}
    np.savez(tmp_path / "vectors.npz", **vectors)
    (tmp_path / "golden").mkdir()
    shutil.move(tmp_path / "vectors.npz", tmp_path / "golden")
    trained = Kit(tmp_path, {"golden": {"agreement": 38.0, "score_drop": 0.1}}, {})
    assert self_test(trained, "int8", expected)["passed"]
    worse = self_test(trained, "int8", near)
    assert worse["psnr"] > worse["needed"] == 38.0
    assert not worse["passed"], "the score fell"
    assert self_test(trained, "fp16", near)["needed"] == 38.0


def test_quality_of_floats_and_pixels():
    image = np.full((1, 3, 8, 8), 100, np.uint8)
    assert psnr(image, image) == float("inf")
    assert psnr(image + 1, image) == pytest.approx(48.13, abs=0.01)
    assert psnr(np.full((2, 2), np.nan, np.float32), np.zeros((2, 2), np.float32)) == float("-inf")


def test_shapes_in_order():
    check_shapes(SHAPES, 8)
    with pytest.raises(DeviceError, match="multiples of 16"):
        check_shapes(((1, 3, 8, 8),) * 3, 16)


@pytest.fixture
def built(kit, tmp_path):
    """An artifact as the device writes it, with an engine of nonsense."""
    facts = {"tensorrt": "10.3.0", "compute_capability": "8.7", "gpu": "Orin", "rebuild": "python3 build_engine.py"}
    write_artifact(open_kit(kit), tmp_path / "engine", b"engine", "fp16", facts, SHAPES, 55.0)
    return Artifact.open(tmp_path / "engine")


def test_the_device_writes_an_artifact_of_ours(built):
    manifest = built.manifest
    assert (manifest.target, manifest.precision, manifest.model_file) == ("trt", "fp16", "model.engine")
    assert (manifest.traits.format, manifest.traits.can_be_timed) == ("trt-engine", True)
    assert manifest.shape.largest == (1088, 1920)
    assert built.golden().input.shape == (1, 3, 128, 128)


def test_engines_of_other_devices_are_refused_before_they_are_loaded(built):
    from ensharpen_edge.runtime.engines.tensorrt import check_origin

    orin = Gpu("Orin", 8, 7, True, 12060)
    check_origin(built, orin, "10.3.0")
    with pytest.raises(IntegrityError, match=r"TensorRT 10\.3\.0, here is 8\.5\.2") as error:
        check_origin(built, orin, "8.5.2")
    assert "build_engine.py" in str(error.value.hint)
    with pytest.raises(IntegrityError, match=r"compute capability 8\.7, here is 9\.0"):
        check_origin(built, Gpu("Hopper", 9, 0, False, 13000), "10.3.0")
    with pytest.raises(IntegrityError, match="the GPU Orin, here is RTX 3050"):
        check_origin(built, Gpu("RTX 3050", 8, 7, False, 12060), "10.3.0")


def test_destinations_are_looked_at_before_anything_is_built(kit, tmp_path):
    opened = open_kit(kit)
    check_destination(opened, tmp_path / "deep" / "engine")
    for folder in (kit, kit / ".", kit.parent):
        with pytest.raises(DeviceError, match="holds the kit") as error:
            check_destination(opened, folder)
        assert error.value.code == 2
    (tmp_path / "taken").mkdir()
    with pytest.raises(DeviceError, match="exists and is no engine"):
        check_destination(opened, tmp_path / "taken")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DeviceError, match="cannot be written to") as error:
        check_destination(opened, tmp_path / "file" / "engine")
    assert error.value.code == 9
    done = call(kit, "--workspace", "-1", "--dry-run")
    assert done.returncode == 2
    assert "no number of MiB" in done.stderr


def test_an_engine_of_another_graph_than_the_judged_one_says_so(kit, tmp_path):
    from ensharpen_edge.benchmarks.regression.comparison import gate_quality

    facts = {"measured": [_facts(row("fp32", 1.0, float("inf")))]}
    write_artifact(open_kit(kit), tmp_path / "engine", b"engine", "fp32", facts, SHAPES, 50.0)
    assert Artifact.open(tmp_path / "engine").manifest.golden.agreement == 50.0
    artifact = Artifact.open(tmp_path / "engine")
    assert artifact.manifest.graph["measured"][0]["psnr"] is None
    with pytest.raises(UsageError, match=r"judged fp16\.onnx"):
        gate_quality(artifact)


def test_the_runtime_without_a_driver(built):
    from ensharpen_edge.runtime.engines.registry import open_engine

    try:
        find_gpu()
    except DeviceError:
        with pytest.raises(MissingToolError, match="driver"):
            open_engine(built)
    else:
        pytest.skip("this machine has a GPU")


def test_large_photographs_are_cut_for_it(built):
    from ensharpen_edge.runtime.pipeline import plan_for

    assert len(plan_for(built, 1000, 1400)) == 1
    assert len(plan_for(built, 1200, 1200)) > 1
    assert json.loads((built.path / "manifest.json").read_text())["graph"]["tensorrt"] == "10.3.0"


def test_kits_are_judged_on_the_cpu(kit, photo):
    from ensharpen_edge.runtime.engines.registry import open_engine
    from ensharpen_edge.runtime.pipeline import plan_for, sharpen_frame

    artifact = Artifact.open(kit)
    with open_engine(artifact) as engine:
        sharp, _ = sharpen_frame(engine, artifact.manifest.io, plan_for(artifact, *photo.shape[:2]), photo)
    assert np.abs(sharp.astype(int) - photo).max() > 5
