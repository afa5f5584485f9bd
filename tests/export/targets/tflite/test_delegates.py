"""The delegates' lists, and what they say about files of every kind."""

from __future__ import annotations

import pytest

from ensharpen_edge.errors import IntegrityError, UsageError
from ensharpen_edge.export.targets.tflite.delegates.lists import delegates, find_delegate
from ensharpen_edge.export.targets.tflite.delegates.report import delegate_report, require_delegate
from ensharpen_edge.export.targets.tflite.minimum_runtime import RELEASES, minimum_runtime
from ensharpen_edge.export.targets.tflite.operators import ModelOperators, Operator, read_operators


def operator(name="CONV_2D", version=1, kind="float32", macs=10, rank=4) -> Operator:
    return Operator(name, version, kind, macs, rank)


def report(name, *operators, free=False):
    return delegate_report(ModelOperators(operators, free), find_delegate(name))


def test_every_delegate_names_its_sources():
    assert set(delegates()) == {"xnnpack", "gpu", "nnapi", "hexagon", "edgetpu"}
    for delegate in delegates().values():
        assert delegate.sources
        assert {name for name, _ in RELEASES} >= set(delegate.operators)


def test_shares_of_the_work():
    half = report("nnapi", operator(), operator("ADD", macs=0), operator(kind="int16", version=4))
    assert half.taken == 2
    assert half.fallback == 0.5
    assert half.refused == {"CONV_2D of int16": 1}
    assert half.partitions == 1
    assert half.api == 27


def test_versions_ranks_and_levels_count():
    assert report("nnapi", operator(kind="hybrid", version=5)).refused == {"CONV_2D version 5": 1}
    assert report("gpu", operator("ADD", macs=0, rank=5)).refused == {"ADD of rank 5": 1}
    assert report("nnapi", operator("QUANTIZE", macs=0)).api == 30
    assert report("gpu", operator("TRANSPOSE_7D", macs=0)).refused == {"TRANSPOSE_7D": 1}


def test_what_follows_the_first_gap_of_a_compiled_file_falls_back():
    cut = report(
        "edgetpu", operator(kind="int8"), operator("DEPTH_TO_SPACE", kind="int8", macs=0), operator(kind="int8")
    )
    assert cut.taken == 1
    assert cut.fallback == 0.5


def test_a_demand_names_what_is_missing():
    floats = ModelOperators((operator(),), False)
    require_delegate(floats, "gpu")
    with pytest.raises(UsageError, match="1 of 1 operators: 1 x CONV_2D of float32") as error:
        require_delegate(floats, "hexagon")
    assert "int8" in str(error.value.hint)
    with pytest.raises(UsageError) as error:
        require_delegate(ModelOperators((operator(), operator("DEPTH_TO_SPACE", macs=0)), False), "edgetpu")
    assert "has no DEPTH_TO_SPACE in any precision" in str(error.value.hint)
    with pytest.raises(UsageError, match="one size"):
        require_delegate(ModelOperators((operator(),), True), "nnapi")
    with pytest.raises(UsageError, match="gpu"):
        require_delegate(floats, "gppu")


def test_the_oldest_runtime_is_that_of_the_newest_operator():
    assert minimum_runtime([operator(), operator("DEPTH_TO_SPACE"), operator("RELU")]) == "2.1.0"
    assert minimum_runtime([operator("DEQUANTIZE", 5), operator("ADD", 3)]) == "2.7.0"
    assert minimum_runtime([operator("QUANTIZE", 1), operator("SPACE_TO_DEPTH", 2)]) == "1.14.0"
    with pytest.raises(IntegrityError, match="version 9"):
        minimum_runtime([operator(version=9)])


def test_damaged_files_are_named_as_such():
    with pytest.raises(IntegrityError, match="not a readable TFLite file"):
        read_operators(b"\x1c\x00\x00\x00TFL3" + b"\xff" * 64)
