"""Make the inputs and targets of each task of a network from sharp crops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from ensharpen_edge.degrade.colour_cast import ColourCastConfig, sample_and_cast
from ensharpen_edge.degrade.mix import MARGIN, DegradationMix, degrade
from ensharpen_edge.degrade.resize import Filter, downsample
from ensharpen_edge.models.config import HEAD_SCALES


@dataclass(frozen=True)
class TaskBatch:
    """A batch for a network with one or several tasks.

    Attributes:
        degraded: Input, float (N, 3, H, W).
        targets: Images that each task should return, by task, float (N, 3, sH, sW).
        blur, noise: Blur and noise of each image (see `DegradedBatch`).
    """

    degraded: Tensor
    targets: dict[str, Tensor]
    blur: Tensor
    noise: Tensor


def sharp_side(crop: int, scale: int) -> int:
    """Return the side of the sharp crop that a network input of `crop` pixels is made from."""
    return (crop + 2 * MARGIN) * scale


def make_tasks(
    sharp: Tensor, heads: tuple[str, ...], mix: DegradationMix, generator: torch.Generator, strength: float
) -> TaskBatch:
    """Degrade sharp crops once, and derive every task's target from them.

    `sharpen` asks for the sharp photograph at the input's size, `denoise` for the blurred one before noise and
    compression, `upscale2` and `upscale4` for the sharp one at 2 and 4 times the size, `colour` for the sharp one
    while the input has a colour cast, which all other tasks leave alone. Where a task enlarges, the input is the crop
    made smaller by a random filter.

    Args:
        sharp: float (N, 3, S, S) in [0, 1], S from `sharp_side`.
        heads: Tasks.
        mix, generator, strength: See `degrade`.
    """
    largest = max(HEAD_SCALES[head] for head in heads)
    filters = get_args(Filter)
    drawn: Filter = filters[int(torch.randint(0, 3, (), generator=generator, device=generator.device).item())]
    small = downsample(sharp, largest, drawn).clamp(0.0, 1.0) if largest > 1 else sharp
    batch = degrade(small, mix, generator, strength)
    degraded = batch.degraded
    cast = "colour" in heads
    before = generator.get_state() if cast else None
    if cast:
        degraded = sample_and_cast(degraded.clamp(0.0, 1.0), ColourCastConfig(), generator)
    after = generator.get_state() if cast else None
    edge = MARGIN * largest
    targets = {}
    for head in heads:
        scale = HEAD_SCALES[head]
        if head == "denoise":
            targets[head] = batch.blurred
        elif scale == 1:
            targets[head] = batch.target
        else:
            inner = sharp[..., edge:-edge, edge:-edge]
            targets[head] = inner if scale == largest else downsample(inner, largest // scale, "area")
        if before is not None and head != "colour":
            generator.set_state(before)  # the very same cast
            targets[head] = sample_and_cast(targets[head].clamp(0.0, 1.0), ColourCastConfig(), generator)
    if after is not None:
        generator.set_state(after)
    return TaskBatch(degraded, targets, batch.blur, batch.noise)
