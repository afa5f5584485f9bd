"""Losses on spectra: blur removes high frequencies, so errors there weigh as much as large flat ones."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ensharpen_edge.training.losses.pixel import mean_over_images

_BLOCK = 8


def fft(prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the mean absolute difference of the real and imaginary parts of the orthonormal Fourier transforms.

    After Cho et al., Rethinking coarse-to-fine approach in single image deblurring, 2021. float32 inside, because
    half precision has no Fourier transform on most devices.
    """
    spectrum = torch.fft.rfft2((prediction - target).float(), norm="ortho")
    return mean_over_images(torch.view_as_real(spectrum).abs(), weight)


def _dct_filters(like: Tensor) -> Tensor:
    k = torch.arange(_BLOCK, dtype=like.dtype, device=like.device)
    basis = torch.cos((2 * k[None, :] + 1) * k[:, None] * math.pi / (2 * _BLOCK)) * math.sqrt(2 / _BLOCK)
    basis[0] /= math.sqrt(2)
    return torch.einsum("uy,vx->uvyx", basis, basis).reshape(_BLOCK * _BLOCK, 1, _BLOCK, _BLOCK)


def dct(prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the mean absolute difference of the orthonormal DCT-II coefficients of whole 8x8 blocks."""
    difference = (prediction - target).flatten(0, 1)[:, None]
    coefficients = F.conv2d(difference, _dct_filters(difference), stride=_BLOCK)
    return mean_over_images(coefficients.abs().reshape(prediction.shape[0], -1), weight)
