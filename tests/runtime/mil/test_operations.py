"""Every MIL operation that this project writes, in numpy against torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ensharpen_edge.runtime.mil.operations import OPERATIONS

X = torch.randn(1, 8, 12, 20, generator=torch.Generator().manual_seed(0))
Y = torch.randn(1, 8, 12, 20, generator=torch.Generator().manual_seed(1))
DENSE = torch.randn(6, 8, 3, 3, generator=torch.Generator().manual_seed(2))
DEEP = torch.randn(8, 1, 3, 3, generator=torch.Generator().manual_seed(3))
BIAS = torch.arange(6.0)


def plain(**inputs):
    return {key: value.numpy() if isinstance(value, torch.Tensor) else value for key, value in inputs.items()}


def depth_order(x, block):
    """torch's shuffle of channels that are in block-first order."""
    n, c, h, w = x.shape
    return F.pixel_shuffle(x.reshape(n, block * block, -1, h, w).transpose(1, 2).reshape(n, c, h, w), block)


CASES = {
    "conv": (
        plain(x=X, weight=DENSE, bias=BIAS, strides=(1, 1), pad=(1, 1, 1, 1), groups=1),
        F.conv2d(X, DENSE, BIAS, padding=1),
    ),
    "conv padded on one side more than on the other": (
        plain(x=X, weight=DENSE, pad=(0, 1, 2, 3)),
        F.conv2d(F.pad(X, (2, 3, 0, 1)), DENSE),
    ),
    "conv strided": (
        plain(x=X, weight=DENSE[:, :, :2, :2], strides=(2, 2)),
        F.conv2d(X, DENSE[:, :, :2, :2], stride=2),
    ),
    "conv depthwise": (
        plain(x=X, weight=DEEP, pad=(1, 1, 1, 1), groups=8),
        F.conv2d(X, DEEP, padding=1, groups=8),
    ),
    "conv grouped": (
        plain(x=X, weight=DENSE[:, :4], pad=(1, 1, 1, 1), groups=2),
        F.conv2d(X, DENSE[:, :4], padding=1, groups=2),
    ),
    "conv depthwise strided": (
        plain(x=X, weight=DEEP, strides=(2, 2), pad=(1, 1, 1, 1), groups=8),
        F.conv2d(X, DEEP, stride=2, padding=1, groups=8),
    ),
    "conv_transpose": (
        plain(x=X, weight=DENSE.transpose(0, 1)[:, :, :2, :2], bias=BIAS, strides=(2, 2)),
        F.conv_transpose2d(X, DENSE.transpose(0, 1)[:, :, :2, :2], BIAS, stride=2),
    ),
    "add": (plain(x=X, y=Y), X + Y),
    "mul": (plain(x=X, y=Y), X * Y),
    "relu": (plain(x=X), X.relu()),
    "sigmoid": (plain(x=X), X.sigmoid()),
    "clip": (plain(x=X, alpha=0.0, beta=1.0), X.clamp(0, 1)),
    "depth_to_space": (plain(x=X, block_size=2), depth_order(X, 2)),
    "reduce_mean": (plain(x=X, axes=(2, 3), keep_dims=True), X.mean((2, 3), keepdim=True)),
    "avg_pool": (plain(x=X, kernel_sizes=(4, 4)), F.avg_pool2d(X, 4)),
    "upsample_nearest_neighbor": (
        plain(x=X, scale_factor_height=2.0, scale_factor_width=2.0),
        F.interpolate(X, scale_factor=2, mode="nearest"),
    ),
    "upsample_bilinear": (
        plain(x=X, scale_factor_height=2.0, scale_factor_width=2.0),
        F.interpolate(X, scale_factor=2, mode="bilinear", align_corners=False),
    ),
    "quantize": (
        plain(input=X, scale=0.02, zero_point=3, output_dtype="int8"),
        ((X / 0.02).round() + 3).clamp(-128, 127),
    ),
    "quantize to uint8": (
        plain(input=X, scale=0.02, zero_point=120, output_dtype="uint8"),
        ((X / 0.02).round() + 120).clamp(0, 255),
    ),
    "dequantize": (plain(input=torch.arange(-128, 128).to(torch.int8), scale=0.5, zero_point=-3), None),
    "cast": (plain(x=X), X),
    "identity": (plain(x=X), X),
}


@pytest.mark.parametrize("name", CASES)
def test_it_computes_what_torch_computes(name):
    inputs, wanted = CASES[name]
    result = OPERATIONS[name.split()[0]](inputs)
    if wanted is None:
        wanted = torch.from_numpy((inputs["input"].astype(np.float32) + 3) * np.float32(0.5))
    assert result.shape == tuple(wanted.shape)
    assert np.abs(result.astype(np.float64) - wanted.numpy()).max() < 1e-5


def test_shuffles_undo_each_other():
    apart = OPERATIONS["space_to_depth"](plain(x=X, block_size=2))
    assert np.array_equal(OPERATIONS["depth_to_space"]({"x": apart, "block_size": 2}), X.numpy())


def test_every_operation_is_tested():
    assert {name.split()[0] for name in CASES} | {"space_to_depth"} == set(OPERATIONS)


def test_large_images_are_convolved_in_bands(monkeypatch):
    inputs, wanted = CASES["conv"]
    monkeypatch.setattr("ensharpen_edge.runtime.mil.operations._WINDOW_VALUES", 3 * 8 * 9 * 20)
    assert np.abs(OPERATIONS["conv"](inputs) - wanted.numpy()).max() < 1e-5
