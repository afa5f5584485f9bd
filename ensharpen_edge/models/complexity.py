"""Parameters and multiply-accumulates of a network."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable values."""
    return sum(parameter.numel() for parameter in model.parameters())


def gmac_per_megapixel(model: nn.Module, size: int = 64) -> float:
    """Return the multiply-accumulates of all `nn.Conv2d` layers per 10^6 input pixels, in 10^9.

    Counts a folded model; branched depthwise layers are not `nn.Conv2d` and would be missed.
    """
    total = 0

    def count(layer: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(layer, nn.Conv2d)
        kernel = layer.kernel_size[0] * layer.kernel_size[1]
        nonlocal total
        total += output.numel() * kernel * (layer.in_channels // layer.groups)

    hooks = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, nn.Conv2d)]
    try:
        with torch.no_grad():
            model(torch.zeros(1, 3, size, size))
    finally:
        for hook in hooks:
            hook.remove()
    return total / (size * size) / 1e3
