"""Exact rewrites of a trained student: branches into plain kernels, separable pairs into dense kernels."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from ensharpen_edge.models.blocks import BranchedDepthwiseConv, ResidualBlock
from ensharpen_edge.models.student import Student


def _copy(target: Tensor, value: Tensor) -> None:
    with torch.no_grad():
        target.copy_(value)


def fold_branches(student: Student) -> Student:
    """A new student of plain convolutions that computes the same function.

    The branch sum is the very kernel that the training form convolves with, so the outputs are equal bit for bit.
    A student that is already folded is copied.
    """
    source = student.eval()
    folded = Student(dataclasses.replace(source.config, branches=False)).eval()
    state = dict(source.state_dict())
    for name, module in source.named_modules():
        if isinstance(module, BranchedDepthwiseConv):
            state[f"{name}.weight"] = module.folded_kernel().detach()
            del state[f"{name}.point"], state[f"{name}.edge_gain"]
    folded.load_state_dict(state)
    return folded


def merge_separable(student: Student) -> Student:
    """A new student in which each depthwise + pointwise pair is one dense 3x3 convolution.

    `W[o, i, :, :] = expand[o, i] * depthwise[i, :, :]` and `b[o] = expand_bias[o] + sum_i expand[o, i] *
    depthwise_bias[i]`. Exact up to float32 rounding (about 1e-6), including at zero-padded borders.
    """
    source = fold_branches(student)
    if source.config.dense:
        return source
    dense = Student(dataclasses.replace(source.config, dense=True)).eval()
    blocks = {n: m for n, m in source.named_modules() if isinstance(m, ResidualBlock)}
    targets = dict(dense.named_modules())
    merged = set()
    for name, block in blocks.items():
        depthwise, expand = block.depthwise, block.expand
        pointwise = expand.weight[:, :, 0, 0]
        weight = pointwise[:, :, None, None] * depthwise.weight[None, :, 0]  # type: ignore[index]
        bias = expand.bias + pointwise @ depthwise.bias  # type: ignore[operator]
        target = targets[f"{name}.expand"]
        _copy(target.weight, weight)  # type: ignore[arg-type]
        _copy(target.bias, bias)  # type: ignore[arg-type]
        merged |= {f"{name}.{part}.{kind}" for part in ("depthwise", "expand") for kind in ("weight", "bias")}
    own = dense.state_dict()
    for key, value in source.state_dict().items():
        if key not in merged:
            _copy(own[key], value)
    return dense
