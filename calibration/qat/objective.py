"""The objective of quantization-aware training: the distance to the parent, and the error against the truth."""

from __future__ import annotations

import torch
from torch import Tensor


def loss_terms(output: Tensor, parent: Tensor, truth: Tensor, tolerance: float) -> dict[str, Tensor]:
    """Two terms, scalars, whose sum is the loss: `mse(y, parent) / (m + e)` and `log((mse(y, truth) + e) / (m + e))`,
    with `m = mse(parent, truth)`, means over the images.

    Every image counts alike, as it does for PSNR, whatever its degradation. The first term alone stalls: it spends
    codes on the parent's mistakes. The second is 0 where the output is as near to the truth as the parent's.

    Args:
        output: y, float (N, 3, H, W), not clipped.
        parent: The float network's answer, in [0, 1].
        truth: The sharp image, in [0, 1].
        tolerance: e.
    """
    base = _mse(parent, truth) + tolerance
    return {
        "parent": (_mse(output, parent) / base).mean(),
        "truth": torch.log((_mse(output, truth) + tolerance) / base).mean(),
    }


def _mse(first: Tensor, second: Tensor) -> Tensor:
    """Mean squared error of each image, (N,)."""
    return (first - second).square().mean(dim=(1, 2, 3))
