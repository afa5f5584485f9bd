"""Validation on held-out photographs with fixed degradations."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ensharpen_edge.data.photos import PhotoSet
from ensharpen_edge.degrade.convolve import convolve
from ensharpen_edge.degrade.mix import DegradationMix
from ensharpen_edge.degrade.noise import add_noise
from ensharpen_edge.degrade.registry import BLURS
from ensharpen_edge.degrade.soft_photo import soft_photo, to_eight_bit
from ensharpen_edge.errors import BadInputError
from ensharpen_edge.imaging.crops import centre_crop
from ensharpen_edge.judging.scores import truth_psnr
from ensharpen_edge.models.config import HEAD_SCALES
from ensharpen_edge.models.student import Student
from ensharpen_edge.training.tasks import make_tasks, sharp_side

SIDE = 256
MOST = 64
"""Held-out photographs that are looked at: more would cost time and settle nothing."""
SOFT_CASES = ((0.8, 0.0), (1.6, 2.55), (2.4, 5.0))
"""(blur sigma in pixels, noise sigma in code values) that every held-out photograph is degraded with."""
SHAKE = (3.0, 8.0)
"""Extent of the camera shake in pixels, with noise of `SHAKE_NOISE` code values."""
SHAKE_NOISE = 2.55
DRAWS = 4
"""Draws of the mix for every photograph, where a mix judges."""
TOGETHER = 8
"""Images that the network sees at once."""


@dataclass(frozen=True)
class ValidationSet:
    """Held-out pairs of a degraded and a sharp image.

    Attributes:
        degraded: float32 (N, 3, S, S) in [0, 1].
        sharp: float32 (N, 3, sS, sS).
        cases: Name of each pair's degradation.
        task: The network's task that is judged.
    """

    degraded: Tensor
    sharp: Tensor
    cases: tuple[str, ...]
    task: str = "sharpen"


@dataclass(frozen=True)
class ValidationScore:
    """Mean PSNR (dB, RGB, 8-bit).

    Attributes:
        before: PSNR of the degraded input (enlarged bicubically for tasks that enlarge).
        after: PSNR of the network's output.
        cases: Both, by degradation.
    """

    before: float
    after: float
    cases: dict[str, tuple[float, float]]


def validation_side(task: str, drawn: bool = False) -> int:
    """Return the shortest side that a held-out photograph needs, with degradations `drawn` from a mix or not."""
    return sharp_side(SIDE // HEAD_SCALES[task], HEAD_SCALES[task]) if drawn else SIDE


def _centres(photos: PhotoSet, side: int) -> Tensor:
    crops = []
    for name, image in itertools.islice(zip(photos.names, photos.images, strict=True), MOST):
        if min(image.shape[:2]) < side:
            raise BadInputError(f"{name}: validation needs photographs of at least {side} pixels a side")
        crops.append(torch.from_numpy(centre_crop(image, side).copy()))
    return torch.stack(crops).permute(0, 3, 1, 2).float() / 255.0


def validation_set(
    photos: PhotoSet, task: str = "sharpen", mix: DegradationMix | None = None, seed: int = 0
) -> ValidationSet:
    """Return the centre crop of every photograph, of the first `MOST` ones, degraded four times.

    Args:
        photos: Held-out photographs.
        task: The task that is judged.
        mix: Draw the degradations from it; None judges `sharpen` by three soft cases and one of camera shake, and
            another task by the default mix.
        seed: Seed of the draws and the noise.
    """
    generator = torch.Generator().manual_seed(seed)
    if mix is not None or task != "sharpen":
        sharp = _centres(photos, validation_side(task, drawn=True))
        draws = [make_tasks(sharp, (task,), mix or DegradationMix(), generator, 1.0) for _ in range(DRAWS)]
        return ValidationSet(
            torch.cat([draw.degraded for draw in draws]).clamp(0.0, 1.0),
            torch.cat([draw.targets[task] for draw in draws]),
            (task,) * (DRAWS * len(sharp)),
            task,
        )
    target = _centres(photos, SIDE)
    degraded = [soft_photo(target, blur, noise, generator) for blur, noise in SOFT_CASES]
    names = [f"soft {blur:g}/{noise:g}" for blur, noise in SOFT_CASES]
    kernels = BLURS["camera shake"].kernels(len(target), generator, extent=SHAKE)
    level = torch.full((len(target),), SHAKE_NOISE / 255.0)
    degraded.append(to_eight_bit(add_noise(convolve(target, kernels), level, generator)))
    names.append("shake")
    cases = tuple(name for name in names for _ in range(len(target)))
    return ValidationSet(torch.cat(degraded), target.repeat(len(names), 1, 1, 1), cases)


def validate(network: Student, data: ValidationSet) -> ValidationScore:
    """Return the mean PSNR of input and output; the network is left in the mode it was in."""
    rows: dict[str, list[tuple[float, float]]] = {}
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        outputs = (
            network.all_outputs(some.to(device)).images[data.task].clamp(0.0, 1.0).float().cpu()
            for some in torch.split(data.degraded, TOGETHER)
        )
        every_output = (output for some in outputs for output in some)
        for degraded, sharp, case, output in zip(data.degraded, data.sharp, data.cases, every_output, strict=True):
            start = degraded
            if sharp.shape != degraded.shape:
                start = F.interpolate(degraded[None], size=sharp.shape[-2:], mode="bicubic", align_corners=False)[0]
            pair = truth_psnr(start.clamp(0, 1).numpy(), sharp.numpy()), truth_psnr(output.numpy(), sharp.numpy())
            rows.setdefault(case, []).append(pair)
    network.train(was_training)
    every = [pair for pairs in rows.values() for pair in pairs]
    return ValidationScore(*_mean(every), {case: _mean(pairs) for case, pairs in rows.items()})


def _mean(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    return sum(p[0] for p in pairs) / len(pairs), sum(p[1] for p in pairs) / len(pairs)


def picture(network: Student, data: ValidationSet, count: int = 4) -> Tensor:
    """Return degraded, output and sharp of a few pairs, side by side: float (3, rows, columns) in [0, 1]."""
    chosen = torch.linspace(0, len(data.degraded) - 1, count).long()
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        degraded, sharp = data.degraded[chosen], data.sharp[chosen]
        output = network.all_outputs(degraded.to(device)).images[data.task].clamp(0.0, 1.0).float().cpu()
    network.train(was_training)
    if degraded.shape != sharp.shape:
        degraded = F.interpolate(degraded, size=sharp.shape[-2:], mode="nearest")
    rows = [torch.cat([d, o, s], dim=-1) for d, o, s in zip(degraded, output, sharp, strict=True)]
    return torch.cat(rows, dim=-2)
