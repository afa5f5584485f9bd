"""Exact rewrites of a trained student: branches into plain kernels, separable pairs into dense kernels."""

from __future__ import annotations

import dataclasses

from ensharpen_edge.models.blocks import BranchedDepthwiseConv, ResidualBlock
from ensharpen_edge.models.student import Student


def fold_branches(student: Student) -> Student:
    """Return a new student of plain convolutions that computes the same function.

    The branch sum is the very kernel that the training form convolves with, so the outputs are equal bit for bit.
    Auxiliary heads are dropped. A student that is already folded is copied.
    """
    source = student.eval()
    folded = Student(dataclasses.replace(source.config, branches=False, multiscale=False)).eval()
    state = {n: value for n, value in source.state_dict().items() if not n.startswith("decoder.auxiliary.")}
    for name, module in source.named_modules():
        if isinstance(module, BranchedDepthwiseConv):
            state[f"{name}.weight"] = module.folded_kernel().detach()
            del state[f"{name}.point"], state[f"{name}.edge_gain"]
    folded.load_state_dict(state)
    return folded


def merge_separable(student: Student) -> Student:
    """Return a new student in which each depthwise + pointwise pair is one dense 3x3 convolution.

    `W[o, i, :, :] = expand[o, i] * depthwise[i, :, :]` and `b[o] = expand_bias[o] + sum_i expand[o, i] *
    depthwise_bias[i]`. Exact up to float32 rounding (about 1e-6), including at zero-padded borders.
    """
    source = fold_branches(student)
    if source.config.dense:
        return source
    dense = Student(dataclasses.replace(source.config, dense=True)).eval()
    state = dict(source.state_dict())
    for name, module in source.named_modules():
        if isinstance(module, ResidualBlock):
            kernel, kernel_bias = (state.pop(f"{name}.depthwise.{kind}") for kind in ("weight", "bias"))
            pointwise = state[f"{name}.expand.weight"][:, :, 0, 0]
            state[f"{name}.expand.weight"] = pointwise[:, :, None, None] * kernel[None, :, 0]
            state[f"{name}.expand.bias"] = state[f"{name}.expand.bias"] + pointwise @ kernel_bias
    dense.load_state_dict(state)
    return dense
