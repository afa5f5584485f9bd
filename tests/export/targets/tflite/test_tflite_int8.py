"""`ensharpen-export --target tflite` with integers: one table for every precision, the gate, the kinds of images."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.export.quantization import shipped_calibration
from ensharpen_edge.export.targets.tflite.operators import read_operators
from ensharpen_edge.runtime.codes import float_run
from ensharpen_edge.runtime.engines.registry import open_engine
from ensharpen_edge.runtime.pipeline import plan_for, sharpen_frame

pytestmark = pytest.mark.slow

FEW = ("-n", 24, "--crop", 64, "--allow-few")
PLAN = shipped_calibration("nano") / "plan-tflite.json"
LOOSE = ("--min-agreement", 30, "--min-retained", 0.5, "--max-drop", 1)


@pytest.fixture(scope="module")
def exported(command, photo_folder, tmp_path_factory):
    """With a table of few photographs, and the plan that was searched for with many."""
    out = tmp_path_factory.mktemp("tflite-int8")
    done = command(
        "ensharpen-export", "--target", "tflite", "--precision", "int8", "--calib", photo_folder, *FEW,
        "--plan", PLAN, "--out", out, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    return out, done.stdout


def again(command, exported, out, *arguments):
    table = ("--calib", exported[0] / "nano-calibration", "--plan", PLAN)
    done = command("ensharpen-export", "--target", "tflite", *table, "--out", out, *arguments, timeout=600)
    assert done.returncode == 0, done.stderr + done.stdout
    return Artifact.open(out / f"nano-tflite-{arguments[1]}")


def test_it_still_sharpens(exported):
    out, text = exported
    assert "Who would run it" in text
    manifest = Artifact.open(out / "nano-tflite-int8").manifest
    assert manifest.io.dtype == "int8"
    assert manifest.quantization["scheme"] == "tflite"
    assert manifest.quantization["int8_layers"] >= 3
    assert manifest.shape.tile_sizes == (64, 128, 256, 768)
    report = json.loads((out / "nano-tflite-int8.report.json").read_text())
    assert report["parity"]["rungs"][-1]["psnr_photographs"] >= 48.0
    for condition in report["gate"]["conditions"]:
        assert condition["worst_agreement"] >= 48.0
        assert condition["student"] - condition["exported"] <= 0.05
        assert condition["retained"] >= 0.98


def test_integers_inside_and_no_needless_conversions(exported):
    from ai_edge_litert import schema_py_generated as schema

    artifact = Artifact.open(exported[0] / "nano-tflite-int8")
    content = artifact.read_model()
    operators = read_operators(content).operators
    layers = [o for o in operators if o.name in ("CONV_2D", "DEPTHWISE_CONV_2D", "ADD")]
    assert sum(o.kind == "int8" for o in layers) == artifact.manifest.quantization["int8_layers"]
    graph = schema.ModelT.InitFromPackedBuf(content, 0).subgraphs[0]
    conversions = [
        (op.inputs[0], op.outputs[0])
        for op, read in zip(graph.operators, operators, strict=True)
        if read.name in ("QUANTIZE", "DEQUANTIZE") and read.kind != "constant"
    ]
    converted = {target for _, target in conversions}
    assert not [source for source, _ in conversions if source in converted], "a pair that undoes itself"
    assert len({source for source, _ in conversions}) == len(conversions), "two conversions of one tensor"
    used = {int(index) for op in graph.operators for index in op.inputs} | {int(i) for i in graph.outputs}
    assert converted <= used
    for index in (graph.inputs[0], graph.outputs[0]):
        quantization = graph.tensors[index].quantization
        assert quantization.scale[0] == np.float32(1 / 255)
        assert quantization.zeroPoint[0] == -128


def test_tiles_equal_the_whole_bit_for_bit(exported, photo):
    artifact = Artifact.open(exported[0] / "nano-tflite-int8")
    with open_engine(artifact, threads=2) as engine:
        whole = sharpen_frame(engine, artifact.manifest.io, plan_for(artifact, *photo.shape[:2], "off"), photo)[0]
        assert np.abs(whole.astype(int) - photo).max() > 5
        for tile in (64, 96, 200):
            plan = plan_for(artifact, *photo.shape[:2], tile)
            assert np.array_equal(sharpen_frame(engine, artifact.manifest.io, plan, photo)[0], whole)


def test_every_kind_of_image_gives_the_same_picture(command, exported, tmp_path, photo):
    pictures = {}
    artifacts = {"int8": Artifact.open(exported[0] / "nano-tflite-int8")}
    for dtype in ("uint8", "float32"):
        artifacts[dtype] = again(
            command, exported, tmp_path / dtype, "--precision", "int8", "--image", dtype, "--size", "192x192"
        )
    for dtype, artifact in artifacts.items():
        assert artifact.manifest.io.dtype == dtype
        assert artifact.golden().input.dtype == dtype
        with open_engine(artifact, threads=1) as engine:
            plan = plan_for(artifact, *photo.shape[:2], "auto")
            pictures[dtype] = sharpen_frame(engine, artifact.manifest.io, plan, photo)[0].astype(int)
    assert np.array_equal(pictures["int8"], pictures["uint8"])
    assert np.abs(pictures["int8"] - pictures["float32"]).max() <= 1


def test_floats_are_rounded_to_the_codes_of_the_file(exported, rng):
    artifact = Artifact.open(exported[0] / "nano-tflite-int8")
    pixels = rng.integers(0, 256, (1, 3, 64, 64))
    with open_engine(artifact, threads=1) as engine:
        exact, near = (float_run(engine, artifact.manifest.io, (pixels + off) / np.float32(255)) for off in (0.0, 0.3))
        raw = engine.run((pixels - 128).astype(np.int8).transpose(0, 2, 3, 1))
    assert np.array_equal(exact, near)
    assert np.array_equal((raw.astype(np.float32) + 128) / np.float32(255), exact.transpose(0, 2, 3, 1))


def test_whole_files_of_integers_need_a_looser_gate(command, exported, tmp_path):
    table = exported[0] / "nano-calibration"
    arguments = (
        "--target", "tflite", "--precision", "int8", "--calib", table, "--plan", "all", "--keep", "",
        "--size", "192x192",
    )  # fmt: skip
    refused = command("ensharpen-export", *arguments, "--out", tmp_path)
    assert refused.returncode in (4, 5), refused.stderr
    assert not (tmp_path / "nano-tflite-int8").exists()
    done = command("ensharpen-export", *arguments, "--out", tmp_path, *LOOSE)
    assert done.returncode == 0, done.stderr
    artifact = Artifact.open(tmp_path / "nano-tflite-int8")
    counts = read_operators(artifact.read_model()).counts
    assert not set(counts) & {"QUANTIZE", "DEQUANTIZE", "MINIMUM", "RELU"}
    assert artifact.manifest.graph["delegates"]["hexagon"]["fallback_share_of_macs"] == 0.0
    assert set(artifact.manifest.graph["delegates"]["edgetpu"]["refused"]) >= {"DEPTH_TO_SPACE"}


def test_sixteen_bits_with_float_islands_for_the_shuffles(exported, photo):
    from ensharpen_edge.calibration.equalise import equalised
    from ensharpen_edge.calibration.quantizer import QuantizationSettings, Quantizer
    from ensharpen_edge.calibration.session import graph_run
    from ensharpen_edge.calibration.table import load_table
    from ensharpen_edge.export.graph.onnx_graph import export_graph, simplify
    from ensharpen_edge.export.targets.tflite.convert import to_tflite
    from ensharpen_edge.export.targets.tflite.target import integer_layers
    from ensharpen_edge.export.targets.tflite.writer import Conversion
    from ensharpen_edge.metrics.psnr import psnr
    from ensharpen_edge.models.checkpoint import find_checkpoint
    from ensharpen_edge.models.folding import fold_branches

    graph = simplify(export_graph(fold_branches(find_checkpoint("nano").network)))
    table = load_table(exported[0] / "nano-calibration")
    quantizer = Quantizer(equalised(graph, table.scales), table, QuantizationSettings("tflite int16"))
    model, integers = integer_layers(quantizer, quantizer.layers)
    content = to_tflite(Conversion(model, (128, 128), True, "test", integers=integers))
    kinds = {(o.name, o.kind) for o in read_operators(content).operators}
    assert {("CONV_2D", "int16"), ("ADD", "int16"), ("DEPTH_TO_SPACE", "float32")} <= kinds

    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    image = photo[None, :128, :128].astype(np.float32) / 255.0
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    output = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    wanted = graph_run(graph)(np.ascontiguousarray(image.transpose(0, 3, 1, 2))).transpose(0, 2, 3, 1)
    assert psnr(output, wanted, data_range=1.0) > 55.0


def test_what_cannot_be_asked_for(command, exported, tmp_path):
    table = exported[0] / "nano-calibration"
    for arguments, message in (
        (("--precision", "int8", "--image", "int4", "--calib", table), "int4"),
        (("--precision", "fp32", "--image", "uint8"), "uint8"),
        (("--precision", "int8", "--scheme", "onnx", "--calib", table), "scheme"),
        (
            (
                "--precision",
                "int9",
            ),
            "int8",
        ),
        (("--require-delegate", "tpu"), "edgetpu"),
    ):
        done = command("ensharpen-export", "--target", "tflite", *arguments, "--out", tmp_path)
        assert done.returncode == 2, (arguments, done.stderr)
        assert message in done.stderr
