from __future__ import annotations

import pytest

from ensharpen_edge.runtime.jetson_kit.faults import DeviceError
from ensharpen_edge.runtime.jetson_kit.graph_choice import (
    accelerator_attempts,
    attempts,
    cache_header,
    parse_version,
    trtexec_line,
)
from ensharpen_edge.runtime.jetson_kit.jetpack import JETPACKS

SHAPES = ("1x3x64x64", "1x3x720x1280", "1x3x1088x1920")


@pytest.mark.parametrize("jetpack", JETPACKS, ids=lambda jetpack: jetpack.name)
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_every_jetpack_has_something_to_try(jetpack, precision):
    tries = attempts(precision, parse_version(jetpack.tensorrt))
    assert tries[0].precision == precision
    assert tries[-1].precision == ("fp16" if precision == "int8" else precision)
    for attempt in tries:
        assert attempt.strong == (parse_version(jetpack.tensorrt) >= (10, 0))
        assert not (attempt.strong and attempt.flags)


def test_old_versions_get_no_depthwise_codes_and_no_fp16_graph():
    first, second = attempts("int8", (8, 5))
    assert (first.graph, first.flags) == ("int8-dense", ("FP16", "INT8"))
    assert (second.graph, second.flags) == ("fp32", ("FP16",))


def test_strong_versions_step_down():
    assert [a.graph for a in attempts("int8", (11, 4))] == ["int8-fp16", "int8-fp16-dense", "fp16"]


def test_lines_for_nvidias_tool():
    old = trtexec_line(attempts("int8", (8, 6))[0], (8, 6), SHAPES)
    assert old.endswith("--fp16 --int8")
    assert "--minShapes=image:1x3x64x64" in old
    assert trtexec_line(attempts("fp16", (10, 3))[0], (10, 3), SHAPES).endswith("--stronglyTyped")
    assert "Typed" not in trtexec_line(attempts("fp16", (11, 0))[0], (11, 0), SHAPES)


def test_lines_for_graphs_of_one_size_and_for_the_accelerator():
    fixed = ("1x3x512x768",) * 3
    assert "Shapes" not in trtexec_line(attempts("fp16", (10, 3))[0], (10, 3), fixed)
    line = trtexec_line(accelerator_attempts("int8", (10, 3))[0], (10, 3), fixed, dla=1)
    assert "--useDLACore=1 --allowGPUFallback --calib=dla.cache --fp16 --int8" in line
    assert "calib" not in trtexec_line(accelerator_attempts("fp16", (8, 5))[0], (8, 5), fixed, dla=0)


@pytest.mark.parametrize(
    ("version", "number"), [("8.5.2", 8502), ("8.6.2.3", 8602), ("10.3.0", 100300), ("10.7", 100700)]
)
def test_headers_of_calibration_caches(version, number):
    assert cache_header(version) == f"TRT-{number}-EntropyCalibration2"


@pytest.mark.parametrize("text", ["7.2.3", "8.4.1", "x", ""])
def test_versions_that_are_none(text):
    with pytest.raises(DeviceError):
        parse_version(text)


def test_unknown_precision():
    with pytest.raises(DeviceError, match="int4"):
        attempts("int4", (10, 0))
