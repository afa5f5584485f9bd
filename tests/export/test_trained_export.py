"""Networks trained in 8 bits become files of integers: proved operator by operator, and by what they score."""

from __future__ import annotations

import dataclasses
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.calibration.qat.checkpoint import QuantizedCheckpoint, load_quantized, restored
from ensharpen_edge.calibration.qat.shipped import shipped_trained
from ensharpen_edge.calibration.run import FloatGraph, graph_hash
from ensharpen_edge.calibration.schemes import SCHEMES, find_scheme
from ensharpen_edge.errors import IntegrityError, ParityError, QualityError, UsageError
from ensharpen_edge.export.graph.coded_tensors import coded_tensors as onnx_tensors
from ensharpen_edge.export.graph.onnx_graph import verified_graph
from ensharpen_edge.export.pipeline import export_model
from ensharpen_edge.export.proof.blocks import block_means
from ensharpen_edge.export.proof.gate import GatePair
from ensharpen_edge.export.proof.operators import check_operators, compare_operators
from ensharpen_edge.export.proof.trained import TrainedLimits, TrainedScore, check_trained, score_trained
from ensharpen_edge.export.quantization import QuantizationRequest, shipped_calibration
from ensharpen_edge.export.request import ExportRequest
from ensharpen_edge.export.targets.tflite.coded_tensors import coded_tensors as tflite_tensors
from ensharpen_edge.export.trained import open_trained
from ensharpen_edge.imaging.planes import to_planes
from ensharpen_edge.metrics.psnr import psnr
from ensharpen_edge.models.checkpoint import find_checkpoint, shipped_models
from ensharpen_edge.models.student_network import StudentNetwork
from ensharpen_edge.runtime.engines.registry import open_engine

pytestmark = pytest.mark.slow

EXPAND = "/encoder/level1/level1.0/Relu_output_0"


@pytest.fixture(scope="module")
def float_graph():
    return verified_graph(StudentNetwork.of_checkpoint(find_checkpoint("nano")), None)[0]


@pytest.fixture(scope="module")
def checkpoint() -> QuantizedCheckpoint:
    return load_quantized(shipped_trained()["nano-int8"])


@pytest.fixture(scope="module")
def tflite(trained_artifact) -> Artifact:
    return trained_artifact


@pytest.fixture(scope="module")
def onnx_file(shared) -> Artifact:
    return _exported(shared, "onnx", QuantizationRequest(scheme="onnx vnni", trained="nano-int8"))


def _exported(shared, target: str, wanted: QuantizationRequest) -> Artifact:
    request = partial(ExportRequest, "nano", target, "int8", quantization=wanted)
    folder = shared(f"trained-{target}", lambda out: export_model(request(out)))
    return Artifact.open(folder / f"nano-{target}-int8")


def test_every_layer_is_in_codes(tflite):
    facts = tflite.manifest.quantization
    assert (facts["int8_layers"], facts["float_layers"]) == (53, [])
    graph = tflite.manifest.graph
    assert not set(graph["operators"]) & {"QUANTIZE", "DEQUANTIZE", "RELU", "MINIMUM"}
    for delegate in ("xnnpack", "nnapi", "hexagon"):
        assert graph["delegates"][delegate]["fallback_share_of_macs"] == 0.0


def test_the_report_looks_at_every_operator_and_photograph(tflite, onnx_file):
    for artifact in (tflite, onnx_file):
        trained = artifact.manifest.gate["trained"]
        assert trained["operators"] == 53
        assert trained["equal_codes"] > 0.99
        assert trained["worst_operator"]["within_one"] >= 0.999
        assert len(trained["scores"]) == 12
        assert all(abs(score["exported"] - score["reference"]) <= 0.05 for score in trained["scores"])
        assert artifact.manifest.gate["retained"] >= 0.94


def test_every_file_holds_the_very_codes_of_the_checkpoint(tflite, onnx_file, checkpoint):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=tflite.read_model())
    interpreter.allocate_tensors()
    light = {tensor["name"]: tensor for tensor in interpreter.get_tensor_details()}
    graph = onnx.load_from_string(onnx_file.read_model()).graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for name, weight in checkpoint.weights.items():
        assert np.array_equal(stored[f"{name}_quantized"], weight.codes)
        assert np.allclose(stored[f"{name}_scale"], weight.steps, rtol=1e-6)
        codes = interpreter.get_tensor(light[name]["index"])
        assert np.array_equal(np.sort(codes.ravel()), np.sort(weight.codes.ravel()))
        depthwise = weight.codes.shape[1] == 1 and len(weight.codes) > 1
        assert np.array_equal(
            codes[0].transpose(2, 0, 1) if depthwise else codes.transpose(0, 3, 1, 2)[:, :, :, :],
            weight.codes[:, 0] if depthwise else weight.codes,
        )
        assert np.allclose(light[name]["quantization_parameters"]["scales"], weight.steps, rtol=1e-6)
    for name, codes in checkpoint.sites.items():
        step, zero = light[name]["quantization"]
        assert (pytest.approx(step, rel=1e-6), zero) == (codes.step, codes.zero_point)
        assert stored[f"{name}_scale"] == pytest.approx(codes.step, rel=1e-6)
        assert int(stored[f"{name}_zero_point"]) == codes.zero_point + 128


def test_an_altered_operator_is_blamed_and_no_other(tflite, onnx_file, checkpoint, float_graph, photo):
    image = to_planes(photo[:96, :128])
    files = (tflite_tensors(tflite.model_path), onnx_tensors(onnx_file.model_path))
    for tensors in files:
        check_operators(compare_operators(restored(float_graph, checkpoint), tensors, [image]))
        wrong = restored(float_graph, checkpoint)
        with torch.no_grad():
            wrong.tensor("encoder.level1.0.expand.weight").mul_(1.1)
        reports = compare_operators(wrong, tensors, [image])
        assert [report.tensor for report in reports if report.within_one < 0.999] == [EXPAND]
        with pytest.raises(ParityError, match=r"Relu writes other codes .* of /encoder/level1/level1.0/Relu_output_0"):
            check_operators(reports)


def test_a_drill_and_a_small_window(command, tmp_path):
    """Photographs of a window as small as this are scraps, and are looked at all the same."""
    arguments = ("--target", "tflite", "--precision", "int8", "--trained", "nano-int8", "--out", tmp_path)
    done = command("ensharpen-export", *arguments, "--size", "192x192", "--drill", "artifact")
    assert done.returncode in (4, 5), done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["nano-tflite-int8.report.json"]
    done = command("ensharpen-export", *arguments, "--size", "256x120", "--image", "uint8")
    assert done.returncode == 0, done.stderr
    assert "53 operators looked at one by one" in " ".join(done.stdout.split())


def test_tensors_that_are_missing_or_no_numbers_are_noticed(tflite, checkpoint, float_graph, photo):
    image, tensors = to_planes(photo[:96, :96]), tflite_tensors(tflite.model_path)
    reference = restored(float_graph, checkpoint)
    held = dict(tensors(image))
    with pytest.raises(ParityError, match=f"does not hold {EXPAND} in codes"):
        compare_operators(reference, lambda _: {name: held[name] for name in held if name != EXPAND}, [image])
    broken = {**held, EXPAND: np.full_like(held[EXPAND], np.nan)}
    with pytest.raises(ParityError, match="Relu writes other codes"):
        check_operators(compare_operators(reference, lambda _: broken, [image]))


def test_golden_vectors_carry_the_truth(tflite, artifact):
    golden = tflite.golden()
    assert artifact.golden().truth is None
    assert golden.truth.shape == golden.expected.shape
    soft, sharp = (psnr(image, golden.truth, data_range=255.0) for image in (golden.input, golden.expected))
    assert sharp > soft + 1.0
    with open_engine(tflite, threads=1) as engine:
        assert np.array_equal(engine.run(golden.input), golden.expected)


def test_a_photograph_through_the_command(command, tflite, photo_folder, tmp_path):
    done = command("ensharpen-run", tflite.path, photo_folder / "raft.png", "-o", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "raft.png").is_file()


def test_it_belongs_to_one_network(command, tmp_path):
    file = shipped_trained()["nano-int8"]
    assert "nano-int8" not in shipped_models()
    arguments = ("--precision", "int8", "--size", "192x192", "--out", tmp_path)
    for given, code, message in (
        (("--target", "tflite", "--model", "small", "--trained", file), 8, "was trained from another float checkpoint"),
        (("--target", "tflite", "--model", file, "--trained", file), 2, "holds a network trained in 8 bits"),
        (("--target", "onnx", "--trained", file), 2, "files of the scheme 'onnx' here are not made"),
        (("--target", "tflite", "--trained", file, "--keep", "head"), 2, "--keep: would do nothing: a trained network"),
        (("--target", "tflite", "--trained", "nowhere.safetensors"), 8, "no such checkpoint"),
    ):
        done = command("ensharpen-export", *given, *arguments)
        assert done.returncode == code, done.stderr
        assert message in " ".join(done.stderr.split())
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_a_damaged_checkpoint_leaves_no_artifact(tmp_path):
    file = shipped_trained()["nano-int8"]
    copy = tmp_path / file.name
    for source in (file, file.with_suffix(".json")):
        shutil.copy(source, tmp_path)
    content = bytearray(copy.read_bytes())
    content[-7] ^= 1
    copy.write_bytes(content)
    request = ExportRequest("nano", "tflite", "int8", tmp_path / "out", quantization=QuantizationRequest(trained=copy))
    with pytest.raises(IntegrityError, match="differs from the sha256"):
        export_model(request)
    assert not (tmp_path / "out" / "nano-tflite-int8").exists()


def test_placements_that_a_scheme_cannot_write_are_named(float_graph, checkpoint, monkeypatch):
    graph = FloatGraph(float_graph, graph_hash(float_graph), checkpoint.parent, 8, "nano")
    other = dataclasses.replace(find_scheme("tflite"), name="other", placements=("convolutions",))
    monkeypatch.setitem(SCHEMES, "other", other)
    with pytest.raises(UsageError, match="files of the scheme 'other' cannot; they take convolutions"):
        open_trained(checkpoint.path, graph, "other")


def test_it_is_taken_where_it_is_asked_for():
    asked = QuantizationRequest(trained="nano-int8").completed("nano", "int8", "tflite")
    assert asked.trained == shipped_trained()["nano-int8"]
    plain = QuantizationRequest().completed("nano", "int8", "tflite")
    assert (plain.trained, plain.calibration) == (None, shipped_calibration("nano"))
    for target, scheme in (("openvino", "onnx vnni"), ("coreml", "coreml"), ("onnx", "onnx")):
        wanted = QuantizationRequest(scheme=scheme, trained="nano-int8")
        with pytest.raises(UsageError, match="are not made from networks trained in 8 bits"):
            ExportRequest("nano", target, "int8", Path("build"), quantization=wanted)


GOOD = TrainedScore("raft", "soft", 30.0, 29.9, 29.9, 4.0, 0.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"exported": 29.95, "reference": 29.9}, r"scores \+0\.0500 dB beside the network that was trained"),
        ({"exported": float("nan")}, "scores"),
        ({"block": 8.5}, "a block of 16x16 pixels is 8.5 code values worse"),
        ({"flat": 0.6}, "flat areas shift by 0.60"),
    ],
    ids=str,
)
def test_limits_name_the_photograph(change, message):
    check_trained([GOOD], TrainedLimits())
    with pytest.raises(QualityError, match=message):
        check_trained([dataclasses.replace(GOOD, **change)], TrainedLimits())


def test_a_photograph_is_held_where_the_mean_is_right():
    apart = [dataclasses.replace(GOOD, exported=29.9 + shift) for shift in (0.06, -0.06)]
    with pytest.raises(QualityError, match=r"the file scores 29\.960 dB on raft"):
        check_trained(apart, TrainedLimits())


def test_what_is_measured_of_a_photograph(photo):
    truth = to_planes(photo[:64, :80])
    spot, grey = truth.copy(), np.full_like(truth, 0.5)
    spot[:, :, 16:32, 16:32] = np.clip(spot[:, :, 16:32, 16:32] + 10 / 255, 0, 1)
    pairs = [GatePair("raft", "soft", truth, truth), GatePair("flat", "soft", grey, grey)]
    (raft, flat) = score_trained(lambda x: x, lambda x: x, lambda x: spot if x is truth else x + 2 / 255, pairs)
    assert raft.block == pytest.approx(10.0, abs=0.5)
    assert (flat.flat, flat.block) == (pytest.approx(2.0, abs=1e-3), pytest.approx(2.0, abs=1e-3))


def test_block_means_take_in_what_is_left_over(rng):
    plane = rng.random((40, 49))
    means = block_means(plane)
    assert means.shape == (2, 3)
    assert means[1, 2] == pytest.approx(plane[16:, 32:].mean())
