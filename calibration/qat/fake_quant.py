"""Rounding to codes and back, with gradients: straight through for values, learnt in the log domain for steps.

The step's gradient is that of LSQ (Esser et al., Learned Step Size Quantization, 2020); its logarithm is learnt, so
that a step changes by a share of itself whatever its size, and never reaches zero.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

LARGEST_WEIGHT = 127
"""Largest magnitude of a weight's code."""

SMALLEST_STEP = 1e-9


class _FakeQuantize(torch.autograd.Function):
    """`clip(round(x / step), lowest, highest) * step`."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, log_step: Tensor, lowest: int, highest: int) -> Tensor:  # noqa: ANN401
        step = math.exp(float(log_step.detach()))
        ctx.ends = lowest * step, highest * step
        rounded = values.clamp(*ctx.ends).div_(step).round_().mul_(step)
        ctx.save_for_backward(values, rounded)
        return rounded

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:  # noqa: ANN401
        values, rounded = ctx.saved_tensors
        # In one pass: the gradient where the value lies between the ends, zero elsewhere.
        passed = torch.ops.aten.hardtanh_backward(gradient, values, *ctx.ends)
        # d rounded / d log step is rounded - value between the ends, and rounded beyond them.
        slope = _dot(gradient, rounded) - _dot(passed, values)
        return passed, slope, None, None


def _dot(first: Tensor, second: Tensor) -> Tensor:
    return torch.dot(first.reshape(-1), second.reshape(-1))


class FakeQuantizer(nn.Module):
    """Rounds one tensor to codes and back.

    Attributes:
        log_step: Logarithm of the step between two codes, a scalar.
        first_log_step: The same before training, a scalar: a step that never moved was never trained.
        ends: Lowest and highest code, relative to the code of zero, (2,).
    """

    first_log_step: Tensor
    ends: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.log_step = nn.Parameter(torch.zeros(()))
        self.register_buffer("first_log_step", torch.zeros(()))
        self.register_buffer("ends", torch.tensor([-float(LARGEST_WEIGHT), float(LARGEST_WEIGHT)]))

    @property
    def step(self) -> float:
        """Difference between two codes' values."""
        return math.exp(float(self.log_step.detach()))

    @property
    def codes(self) -> tuple[int, int]:
        """Lowest and highest code, relative to the code of zero."""
        lowest, highest = self.ends.tolist()
        return int(lowest), int(highest)

    def set_range(self, step: float, lowest: int, highest: int) -> None:
        """Start from these codes."""
        with torch.no_grad():
            self.log_step.fill_(math.log(max(step, SMALLEST_STEP)))
            self.first_log_step.copy_(self.log_step)
            self.ends.copy_(torch.tensor([float(lowest), float(highest)]))

    def forward(self, values: Tensor) -> Tensor:
        rounded: Tensor = _FakeQuantize.apply(values, self.log_step, *self.codes)  # type: ignore[no-untyped-call]
        return rounded


def weight_steps(weight: Tensor) -> Tensor:
    """Steps of a convolution's codes, one for each output channel, (O,): its largest weight is the largest code.

    Args:
        weight: (O, I, rows, columns).
    """
    return (weight.detach().abs().amax(dim=(1, 2, 3)) / LARGEST_WEIGHT).clamp_min(SMALLEST_STEP)


def weight_codes(weight: Tensor, steps: Tensor) -> Tensor:
    """Codes of the weights, whole numbers from -127 to 127 as float, (O, I, rows, columns)."""
    scaled = weight.detach() / steps[:, None, None, None]
    return scaled.round_().clamp_(-LARGEST_WEIGHT, LARGEST_WEIGHT)


def rounded_weight(weight: Tensor) -> Tensor:
    """The weights on the grid of their codes; gradients pass straight through."""
    steps = weight_steps(weight)
    on_grid = weight_codes(weight, steps) * steps[:, None, None, None]
    return weight + (on_grid - weight.detach())
