"""`ensharpen-export --target trt`: every portable graph judged, linted and shown to NVIDIA's own parser."""

from __future__ import annotations

import importlib.util
import json
import struct

import numpy as np
import onnx
import onnxruntime
import pytest

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.calibration.ranges import Range
from ensharpen_edge.calibration.session import graph_run
from ensharpen_edge.export.quantization import shipped_calibration
from ensharpen_edge.export.targets.trt.dla import cache_text, for_accelerator, shuffle_kernel
from ensharpen_edge.imaging.bundled import bundled_photos
from ensharpen_edge.imaging.planes import to_planes
from ensharpen_edge.runtime.engines.registry import open_engine

pytestmark = pytest.mark.slow

FEW = ("-n", 24, "--crop", 64, "--allow-few")
GRAPHS = {"fp32": 17, "fp16": 17, "int8": 17, "int8-dense": 17, "int8-fp16": 19, "int8-fp16-dense": 19}


@pytest.fixture(scope="module")
def exported(command, photo_folder, tmp_path_factory):
    """With a table of few photographs, and the plan that was searched for with many."""
    out = tmp_path_factory.mktemp("trt")
    done = command(
        "ensharpen-export", "--target", "trt", "--precision", "int8", "--calib", photo_folder, *FEW,
        "--plan", shipped_calibration("nano") / "plan-trt.json", "--out", out, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    return Artifact.open(out / "nano-trt-int8"), done.stdout


def test_every_graph_is_judged(exported):
    artifact, text = exported
    for name in (*GRAPHS, "fp16 arithmetic", "equalised", "python3 build_engine.py"):
        assert name in text
    rungs = {rung["name"]: rung for rung in artifact.manifest.parity["rungs"]}
    for name in ("int8", "int8-dense", "int8-fp16", "int8-fp16-dense", "artifact"):
        assert rungs[name]["psnr_photographs"] >= 48.0
    for condition in artifact.manifest.gate["conditions"]:
        assert condition["worst_agreement"] >= 48.0
        assert condition["retained"] >= 0.98
    assert (artifact.manifest.target, artifact.manifest.traits.can_be_timed) == ("trt", False)
    assert artifact.manifest.shape.tile_exact


def test_what_the_parsers_want(exported):
    artifact, _ = exported
    for name, opset in GRAPHS.items():
        model = onnx.load(str(artifact.path / f"{name}.onnx"))
        onnx.checker.check_model(model, full_check=True)
        assert [entry.version for entry in model.opset_import] == [opset]
        producers = {output: node for node in model.graph.node for output in node.output}
        pairs = [node for node in model.graph.node if node.op_type == "DequantizeLinear"]
        assert bool(pairs) == name.startswith("int8")
        convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
        for node in convolutions:
            codes = [producers.get(entry) for entry in node.input[:2]]
            dequantized = [entry is not None and entry.op_type == "DequantizeLinear" for entry in codes]
            assert dequantized[0] == dequantized[1], "activations and weights go together"
            if "dense" in name and any(attribute.name == "group" and attribute.i > 1 for attribute in node.attribute):
                assert not dequantized[0]
        for node in model.graph.node:
            if node.op_type == "Add":
                read = [producers.get(entry) for entry in node.input]
                assert not any(entry is not None and entry.op_type == "DequantizeLinear" for entry in read), (
                    "long skips"
                )
    assert json.loads((artifact.path / "build.json").read_text())["shapes"][0] == [1, 3, 64, 64]


@pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx") is None, reason="needs: pip install tensorrt-rtx==1.7.1.116"
)
def test_nvidias_parser_and_builder_take_all_of_them(exported):
    portable = exported[0].manifest.graph["portable"]
    assert set(portable) == set(GRAPHS)
    for graph in portable.values():
        assert graph["rtx"]["passed"] is True
        assert graph["rtx"]["layers"] > 100
        assert graph["rtx"]["size"] > 500_000


def test_one_size_with_pixels(command, tmp_path, photo):
    done = command(
        "ensharpen-export", "--target", "trt", "--precision", "fp16", "--size", "256x256", "--image", "uint8",
        "--out", tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    artifact = Artifact.open(tmp_path / "nano-trt-fp16")
    assert artifact.manifest.io.dtype == "uint8"
    assert not (artifact.path / "dla.onnx").exists(), "the accelerator's graph takes floats"
    with open_engine(artifact) as engine:
        golden = artifact.golden()
        assert golden.input.dtype == golden.expected.dtype == np.uint8
        assert np.array_equal(engine.run(golden.input), golden.expected)


def test_one_size_for_the_accelerator(command, tmp_path):
    done = command("ensharpen-export", "--target", "trt", "--precision", "int8", "--size", "256x256", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    kit = tmp_path / "nano-trt-int8"
    model = onnx.load(str(kit / "dla.onnx"))
    assert not {node.op_type for node in model.graph.node} & {"SpaceToDepth", "DepthToSpace"}
    scales = dict(line.split(": ") for line in (kit / "dla.cache").read_text().splitlines()[1:])
    spans = {name: 127.0 * struct.unpack(">f", bytes.fromhex(scale))[0] for name, scale in scales.items()}
    tensors = [name for name in spans if "/Relu" in name]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in tensors)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    reached = []
    for _, sharp in bundled_photos():
        values = session.run(tensors, {session.get_inputs()[0].name: to_planes(sharp)})
        reached += [np.abs(value).max() / spans[name] for name, value in zip(tensors, values, strict=True)]
    # Of the graph before its channels were made alike: 1.72.
    assert np.median(reached) < 1.6, "the scales are of this very graph"


def test_shuffles_as_convolutions_are_exact(artifact, rng):
    from ensharpen_edge.export.graph.onnx_graph import with_size

    fixed = with_size(onnx.load(str(artifact.model_path)), (64, 96))
    image = rng.random((1, 3, 64, 96), dtype=np.float32)
    assert np.abs(graph_run(for_accelerator(fixed))(image) - graph_run(fixed)(image)).max() < 1e-6
    kernel = shuffle_kernel(3, 2)
    assert kernel.sum() == 12
    assert kernel[3 * 2 + 1, 1, 1, 0] == 1


def test_the_cache_holds_our_scales():
    text = cache_text({"image": Range(-1.0, 1.0), "deep": Range(-2.0, 4.0)})
    header, first, second = text.splitlines()
    assert header == "TRT-8502-EntropyCalibration2"
    assert first == "image: 3c010204"
    (scale,) = struct.unpack(">f", bytes.fromhex(second.removeprefix("deep: ")))
    assert scale == pytest.approx(4 / 127)
