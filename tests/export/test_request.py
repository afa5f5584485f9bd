"""What the library itself completes and refuses, without a command."""

from __future__ import annotations

import pytest

from ensharpen_edge.errors import UsageError
from ensharpen_edge.export.pipeline import export_all, export_model
from ensharpen_edge.export.precision import PRECISIONS
from ensharpen_edge.export.quantization import FLAGS, QuantizationRequest, shipped_calibration
from ensharpen_edge.export.request import ExportRequest
from ensharpen_edge.export.targets.tflite.options import TfliteOptions


def test_a_shipped_model_is_calibrated_without_a_word(tmp_path):
    complete = ExportRequest("nano", "onnx", "int8", tmp_path).complete_quantization("int8")
    assert complete.calibration == shipped_calibration("nano")
    assert complete.wanted.settings.scheme == "onnx"
    wide = ExportRequest("nano", "onnx", "int8", tmp_path, quantization=QuantizationRequest(scheme="onnx vnni"))
    assert wide.complete_quantization("int8").wanted.settings.scheme == "onnx vnni"
    assert wide.complete_quantization("fp32") is None


@pytest.mark.parametrize(
    ("precision", "wanted", "message"),
    [
        ("fp32", {"keep": ("head",)}, "--keep: would do nothing: no precision with codes"),
        (("fp32", "fp16"), {"plan_drop": 0.0}, "--plan-drop: would do nothing"),
        ("int8", {"plan_drop": 0.0}, "--plan-drop: would do nothing: the plan is a finished one"),
        ("int8", {"count": 5, "crop": 64, "allow_few": True}, "-n, --crop, --allow-few: would do nothing"),
        ("int8", {"plan": "mine.json", "keep": ("head",)}, "--keep: would do nothing: the file of --plan"),
        ("int8", {"scheme": "coreml"}, "unknown scheme for target"),
        ("int8", {"rounding": "up"}, "unknown rounding"),
    ],
    ids=str,
)
def test_what_would_do_nothing_is_refused(precision, wanted, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        ExportRequest("nano", "onnx", precision, tmp_path, quantization=QuantizationRequest(**wanted))


def test_each_precision_gets_what_it_can_use(tmp_path):
    wanted = QuantizationRequest(keep=("stem",))
    request = ExportRequest("nano", "onnx", ("fp32", "int8", "fp32"), tmp_path, quantization=wanted)
    assert [(single.precisions, single.quantization) for single in request.each()] == [
        (("fp32",), None),
        (("int8",), wanted),
    ]


@pytest.mark.slow
def test_several_precisions_are_several_artifacts(tmp_path, photo_folder):
    request = ExportRequest("nano", "onnx", ("fp32", "fp16"), tmp_path, (192, 192), (photo_folder,))
    told: list[str] = []
    with pytest.raises(UsageError, match="one precision, got fp32, fp16"):
        export_model(request)
    names = [result.artifact.path.name for result in export_all(request, told.append)]
    assert names == ["nano-onnx-fp32", "nano-onnx-fp16"]
    assert told.count("climbing the parity ladder") == 2


def test_options_check_themselves():
    with pytest.raises(UsageError, match="Did you mean 'gpu'"):
        TfliteOptions("gpuu")


def test_every_wish_has_a_flag_for_messages():
    assert set(FLAGS) == set(QuantizationRequest.__dataclass_fields__)


def test_precisions_agree_with_what_a_device_demands():
    from ensharpen_edge.runtime.jetson_kit.device_command import LIMITS

    rows = {precision.name: precision for precision in PRECISIONS}
    assert len(rows) == len(PRECISIONS)
    assert {name: rows[name].device_agreement for name in LIMITS} == LIMITS
    for row in PRECISIONS:
        assert sum((row.calibrated, row.dynamic, row.compressed, row.weight_bits >= 16)) == 1
        assert row.block_agreement < row.agreement
        assert row.calibrated or not row.planned
