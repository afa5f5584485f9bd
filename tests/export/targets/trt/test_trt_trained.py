"""Jetson kits of networks trained in 8 bits: codes at the inputs of convolutions, additions as they are."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.artifact_manifest import GoldenLimits
from ensharpen_edge.calibration.qat.checkpoint import load_quantized, restored
from ensharpen_edge.calibration.qat.config import QatConfig
from ensharpen_edge.calibration.qat.run import prepare_run
from ensharpen_edge.errors import ParityError, UsageError
from ensharpen_edge.export.graph.coded_tensors import graph_tensors
from ensharpen_edge.export.graph.onnx_graph import verified_graph
from ensharpen_edge.export.pipeline import export_model
from ensharpen_edge.export.proof.gate import GateLimits
from ensharpen_edge.export.proof.operators import check_operators, compare_operators
from ensharpen_edge.export.quantization import QuantizationRequest
from ensharpen_edge.export.request import ExportRequest
from ensharpen_edge.imaging.planes import to_planes
from ensharpen_edge.models.checkpoint import find_checkpoint
from ensharpen_edge.models.student_network import StudentNetwork
from ensharpen_edge.training.launch import Hardware
from ensharpen_edge.training.provenance import Statement
from ensharpen_edge.training.run import DataPaths
from ensharpen_edge.training.trainer import Intervals

pytestmark = pytest.mark.slow

LOOSE = GateLimits(mean_drop=0.5, retained=0.8, identity_good=30.0, photo_drop=2.0)
"""Twenty steps make codes that differ from calibrated ones, not good ones."""


@pytest.fixture(scope="module")
def float_graph():
    return verified_graph(StudentNetwork.of_checkpoint(find_checkpoint("nano")), None)[0]


@pytest.fixture(scope="module")
def checkpoint(float_graph, photo_folder, tmp_path_factory):
    few = {"steps": 20, "batch": 4, "crop": 64, "crops": 40, "range_crops": 32}
    config = QatConfig("convolutions", **few, learning_rate=5e-5, step_rate=2e-4, ema=0.9)
    folder = tmp_path_factory.mktemp("convolutions")
    paths, hardware = DataPaths(str(photo_folder)), Hardware("cpu", 1, 0)
    run = prepare_run(
        float_graph, find_checkpoint("nano"), paths, config, folder, hardware, Intervals(log_steps=10, validations=1)
    )
    path, _ = run.write(run.trainer.run(lambda _record: None), Statement("CC0-1.0", "five photographs"))
    return path


@pytest.fixture(scope="module")
def kit(checkpoint, tmp_path_factory) -> Artifact:
    wanted, out = QuantizationRequest(trained=checkpoint), tmp_path_factory.mktemp("kit")
    return export_model(ExportRequest("nano", "trt", "int8", out, limits=LOOSE, quantization=wanted)).artifact


def test_every_convolution_but_the_first_reads_codes(kit):
    facts = kit.manifest.quantization
    assert facts["trained"]["placement"] == "convolutions"
    assert facts["int8_layers"] == 38
    assert kit.manifest.gate["trained"]["worst_operator"]["within_one"] >= 0.999
    assert kit.manifest.golden == GoldenLimits(38.0, 0.1)
    assert set(kit.manifest.graph["portable"]) >= {"int8", "int8-fp16", "int8-dense", "int8-fp16-dense"}


def test_the_graph_holds_the_codes_and_steps_of_the_checkpoint(kit, checkpoint):
    trained = load_quantized(checkpoint)
    graph = onnx.load(str(kit.path / "int8.onnx")).graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for name, weight in trained.weights.items():
        assert np.array_equal(stored[f"{name}_quantized"], weight.codes)
        assert np.allclose(stored[f"{name}_scale"], weight.steps, rtol=1e-6)
    written = sorted(float(stored[node.input[1]]) for node in graph.node if node.op_type == "QuantizeLinear")
    assert {round(np.log2(step), 4) for step in written} == {
        round(np.log2(codes.step), 4) for codes in trained.sites.values()
    }
    assert all(int(stored[node.input[2]]) == 0 for node in graph.node if node.op_type == "QuantizeLinear")


def test_one_wrong_step_is_blamed_by_name(kit, checkpoint, float_graph, photo):
    trained = load_quantized(checkpoint)
    model = onnx.load(str(kit.path / "int8.onnx"))
    reference = restored(float_graph, trained)
    image = to_planes(photo[:128, :128])
    reports = compare_operators(reference, graph_tensors(model), [image])
    check_operators(reports)
    victim = max((tensor for tensor in model.graph.initializer if tensor.name.endswith("_quantized")), key=len_of)
    codes = numpy_helper.to_array(victim).copy()
    codes[0] = -codes[0]
    victim.CopyFrom(numpy_helper.from_array(codes, victim.name))
    wrong = compare_operators(reference, graph_tensors(model), [image])
    bad = [report.tensor for report in wrong if report.within_one < 0.999]
    writer = next(node for node in float_graph.graph.node if victim.name.removesuffix("_quantized") in node.input)
    # Additions carry it on, for what they read was never rounded: the first one is at fault.
    assert bad[0] == writer.output[0]
    with pytest.raises(ParityError, match=f"of {bad[0]} are off by more than one"):
        check_operators(wrong)


def len_of(tensor: onnx.TensorProto) -> int:
    return len(tensor.raw_data)


def test_other_placements_are_refused(tmp_path):
    request = ExportRequest("nano", "trt", "int8", tmp_path, quantization=QuantizationRequest(trained="nano-int8"))
    with pytest.raises(UsageError, match="rounds 'everything asymmetric', which files of the scheme 'trt' cannot"):
        export_model(request)
    assert not (tmp_path / "nano-trt-int8").exists()
