"""The steps that training starts from: those with the smallest squared error on what the float network computes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ensharpen_edge.calibration.qat.fake_quant import SMALLEST_STEP, FakeQuantizer
from ensharpen_edge.calibration.qat.placement import Placement, Site
from ensharpen_edge.calibration.qat.quantized_graph import QuantizedGraph
from ensharpen_edge.errors import BadInputError

SMALLEST_SHARE, CANDIDATES = 0.08, 40
"""Ranges that are tried: so many, from the whole one down to this share of it."""

SAMPLES = 262_144
"""Values of a tensor that ranges are fitted to, over all batches; all of them where there are fewer."""

_CODES = 255


@dataclass
class _Seen:
    """Values of one tensor."""

    low: float = 0.0
    high: float = 0.0
    samples: list[Tensor] = field(default_factory=list)


def set_initial_ranges(network: QuantizedGraph, batches: Sequence[Tensor], seed: int = 0) -> None:
    """Give every site the range with the least squared error over samples of its values.

    Args:
        network: Changed in place.
        batches: Inputs, float (N, 3, H, W).
        seed: Seed of the samples.

    Raises:
        BadInputError: A tensor is zero, or not finite, on every input: no step can be learnt for it.
    """
    generator = torch.Generator().manual_seed(seed)
    wanted = -(-SAMPLES // len(batches))
    seen = {site.tensor: _Seen() for site in network.placed.sites}

    def watch(name: str, values: Tensor) -> None:
        if name in seen:
            found, every = seen[name], values.flatten()
            if every.numel() > wanted:
                chosen = torch.randint(0, every.numel(), (wanted,), generator=generator)
                every = every[chosen.to(values.device)]
            found.low, found.high = min(found.low, float(values.min())), max(found.high, float(values.max()))
            found.samples.append(every)

    was_training = network.training
    network.eval()
    with torch.inference_mode(), network.exactly():
        for batch in batches:
            network(batch, watch)
    network.train(was_training)
    for site in network.placed.sites:
        found = seen[site.tensor]
        _fit(network.quantizer(site.tensor), site, network.placed.placement, found)


def _fit(quantizer: FakeQuantizer, site: Site, placement: Placement, seen: _Seen) -> None:
    if not math.isfinite(seen.high - seen.low) or seen.low == seen.high:
        raise BadInputError(
            f"{site.tensor} lies between {seen.low:g} and {seen.high:g} on every crop, so no codes can be fitted to it",
            hint="the float network is dead or damaged there: train it again",
        )
    values = torch.cat(seen.samples)
    best, least = codes_of(seen.low, seen.high, site, placement), float("inf")
    for share in torch.linspace(SMALLEST_SHARE, 1.0, CANDIDATES).tolist():
        step, lowest, highest = codes_of(share * seen.low, share * seen.high, site, placement)
        rounded = values.clamp(lowest * step, highest * step).div_(step).round_().mul_(step)
        error = float(rounded.sub_(values).square_().mean())
        if error < least:
            best, least = (step, lowest, highest), error
    quantizer.set_range(*best)


def codes_of(low: float, high: float, site: Site, placement: Placement) -> tuple[float, int, int]:
    """Step, lowest and highest code (relative to the code of zero) that span a range.

    Args:
        low, high: Smallest and largest value, zero between them.
        site: Codes of what is never negative begin at zero.
        placement: Symmetric or not.
    """
    if placement.symmetric:
        largest = _CODES // 2
        step = max(-low, high) / largest
        return max(step, SMALLEST_STEP), 0 if site.positive else -largest, largest
    step = max((high - low) / _CODES, SMALLEST_STEP)
    zero = 0 if site.positive else round(-low / step)
    return step, -zero, _CODES - zero
