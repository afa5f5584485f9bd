"""Equal vectors are stored once, and readers find what they would have found."""

from __future__ import annotations

import pytest

from ensharpen_edge.export.targets.tflite.shared_vectors import pack_model

pytestmark = pytest.mark.slow


def test_the_same_model_in_fewer_bytes(tflite_artifact):
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools.flatbuffer_utils import convert_object_to_bytearray

    model = schema.ModelT.InitFromPackedBuf(tflite_artifact.read_model(), 0)
    plain = bytes(convert_object_to_bytearray(model))
    shared = pack_model(model)
    assert len(shared) < len(plain)
    again = schema.ModelT.InitFromPackedBuf(shared, 0)
    assert bytes(convert_object_to_bytearray(again)) == plain
