"""`--precision fp16-weights`: half the file, computed in single precision."""

from __future__ import annotations

import onnx
import pytest

import ensharpen_edge as ee
from ensharpen_edge.export.graph.half_precision import with_half_weights
from ensharpen_edge.metrics.psnr import psnr


@pytest.mark.slow
def test_half_the_bytes_and_the_same_picture(shipped_export, artifact, photo):
    small = shipped_export("onnx", "fp16-weights")
    assert small.model_bytes < 0.6 * artifact.model_bytes
    assert small.manifest.shape.tile_exact
    assert small.manifest.parity["rungs"][-1]["psnr_torch"] >= 60.0
    image = photo / 255.0
    with ee.load(small, threads=1) as one, ee.load(artifact, threads=1) as other:
        assert psnr(one.sharpen(image), other.sharpen(image), data_range=1.0) > 70.0


def test_only_weights_are_stored_in_half(artifact):
    model = with_half_weights(onnx.load_from_string(artifact.read_model()))
    onnx.checker.check_model(model, full_check=True)
    assert {tensor.data_type for tensor in model.graph.initializer if tensor.dims} == {onnx.TensorProto.FLOAT16}
    assert {value.type.tensor_type.elem_type for value in (*model.graph.input, *model.graph.output)} == {
        onnx.TensorProto.FLOAT
    }
