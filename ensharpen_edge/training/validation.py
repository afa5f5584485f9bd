"""Validation on held-out photographs with fixed degradations."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ensharpen_edge.data.photos import PhotoSet
from ensharpen_edge.degrade.soft_photo import soft_photo
from ensharpen_edge.metrics.psnr import psnr

CASES = ((0.8, 0.0), (1.6, 2.55), (2.4, 5.0))
"""(blur sigma in pixels, noise sigma in code values) that every held-out photograph is degraded with."""


@dataclass(frozen=True)
class ValidationSet:
    """Pairs, float32 (N, 3, S, S) in [0, 1]."""

    degraded: Tensor
    sharp: Tensor


def validation_set(photos: PhotoSet, size: int = 256, seed: int = 0) -> ValidationSet:
    """The centre crop of every photograph, once per case."""
    generator = torch.Generator().manual_seed(seed)
    sharp = []
    for image in photos.images:
        top, left = (image.shape[0] - size) // 2, (image.shape[1] - size) // 2
        sharp.append(torch.from_numpy(image[top : top + size, left : left + size].copy()))
    target = torch.stack(sharp).permute(0, 3, 1, 2).float() / 255.0
    degraded = [soft_photo(target, blur, noise, generator) for blur, noise in CASES]
    return ValidationSet(torch.cat(degraded), target.repeat(len(CASES), 1, 1, 1))


def validation_psnr(model: nn.Module, data: ValidationSet) -> tuple[float, float]:
    """Mean PSNR (dB, RGB, 8-bit) of the degraded input and of the model's output."""
    before, after = [], []
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        for degraded, sharp in zip(data.degraded, data.sharp, strict=True):
            output = model(degraded.unsqueeze(0))[0]
            before.append(psnr(degraded.numpy(), sharp.numpy(), data_range=1.0))
            after.append(psnr(output.numpy(), sharp.numpy(), data_range=1.0))
    model.train(was_training)
    return sum(before) / len(before), sum(after) / len(after)
