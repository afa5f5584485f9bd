"""Students with their shuffles in depth-column-row order.

torch's PixelShuffle orders channels colour-first (CRD); ONNX SpaceToDepth, TFLite and TensorFlow know block-first (DCR)
only. Permuting the weights next to each shuffle once, at export, lets every shuffle of the graph be one single
operator on every target, with no Reshape or Transpose left.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from ensharpen_edge.models.config import HEAD_SCALES, UNSHUFFLE
from ensharpen_edge.models.folding import fold_branches
from ensharpen_edge.models.student import Enlarge, Student
from ensharpen_edge.models.upsampling import ShuffleUpsample


class _SpaceToDepthFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, block: int) -> Tensor:  # noqa: ANN401
        n, c, h, w = x.shape
        y = x.reshape(n, c, h // block, block, w // block, block)
        return y.permute(0, 3, 5, 1, 2, 4).reshape(n, c * block * block, h // block, w // block)

    @staticmethod
    def symbolic(g: Any, x: Any, block: int) -> Any:  # noqa: ANN401
        return g.op("SpaceToDepth", x, blocksize_i=block)


class _DepthToSpaceFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, block: int) -> Tensor:  # noqa: ANN401
        n, c, h, w = x.shape
        d = c // (block * block)
        y = x.reshape(n, block, block, d, h, w)
        return y.permute(0, 3, 4, 1, 5, 2).reshape(n, d, h * block, w * block)

    @staticmethod
    def symbolic(g: Any, x: Any, block: int) -> Any:  # noqa: ANN401
        return g.op("DepthToSpace", x, blocksize_i=block, mode_s="DCR")


class SpaceToDepth(nn.Module):
    """(N, C, H, W) -> (N, block^2 C, H/block, W/block), block position outermost in the channels (DCR)."""

    def __init__(self, block: int) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = _SpaceToDepthFunction.apply(x, self.block)  # type: ignore[no-untyped-call]
        return y


class DepthToSpace(nn.Module):
    """Inverse of `SpaceToDepth`."""

    def __init__(self, block: int) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = _DepthToSpaceFunction.apply(x, self.block)  # type: ignore[no-untyped-call]
        return y


def depth_order(channels: int, block: int) -> Tensor:
    """Return the index p with `dcr[:, i] == crd[:, p[i]]` for a tensor of `channels` channels."""
    return torch.arange(channels).reshape(channels // (block * block), block * block).t().reshape(-1)


def to_depth_order(student: Student) -> Student:
    """Return a folded copy of the student that computes the same, with every shuffle in DCR order.

    Exact: channels are renamed, no arithmetic changes.
    """
    copied = copy.deepcopy(fold_branches(student))
    stem = copied.encoder.stem
    order = depth_order(stem.in_channels, UNSHUFFLE)
    with torch.no_grad():
        stem.weight.copy_(stem.weight[:, order].clone())
        for name, head in copied.decoder.heads.items():
            block = UNSHUFFLE * HEAD_SCALES[name]
            _permute_outputs(head, block)
            copied.shuffles[name] = DepthToSpace(block)
            if name in copied.anchors:
                anchor = copied.anchors[name]
                assert isinstance(anchor, Enlarge)
                anchor.weight.copy_(anchor.weight[depth_order(anchor.weight.shape[0], block)][:, order].clone())
        for up in (copied.decoder.up2, copied.decoder.up1):
            if isinstance(up, ShuffleUpsample):
                _permute_outputs(up.expand, 2)
                up.shuffle = DepthToSpace(2)
    copied.unshuffle = SpaceToDepth(UNSHUFFLE)
    return copied.eval()


def _permute_outputs(convolution: nn.Module, block: int) -> None:
    assert isinstance(convolution, nn.Conv2d)
    order = depth_order(convolution.out_channels, block)
    convolution.weight.copy_(convolution.weight[order].clone())
    assert convolution.bias is not None
    convolution.bias.copy_(convolution.bias[order].clone())
