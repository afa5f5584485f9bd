"""Convolution of a batch with one blur kernel per image."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Border = Literal["reflect", "circular", "valid"]


def convolve(images: Tensor, kernels: Tensor, border: Border = "reflect") -> Tensor:
    """Blur each image with its own kernel, all colour channels alike, by FFT.

    The cost does not depend on the kernel's size, which suits wide blurs, and it runs on the tensors' device.

    Args:
        images: float (N, C, H, W).
        kernels: float (N, k, k) with odd k; each sums to 1.
        border: Pixels beyond the edge: mirrored pixels, the opposite side, or (`valid`) nothing, in which case the
            result is smaller by k - 1.

    Returns:
        float (N, C, H, W), or (N, C, H-k+1, W-k+1) for `valid`.

    Raises:
        ValueError: An even kernel, another batch size, or a kernel larger than the image allows.
    """
    size = kernels.shape[-1]
    if size % 2 == 0 or kernels.shape[-2] != size or kernels.shape[0] != images.shape[0]:
        raise ValueError(f"kernels must be (N, k, k), k odd, N as the images; got {tuple(kernels.shape)}")
    radius = size // 2
    if border == "reflect":
        images = F.pad(images, (radius,) * 4, mode="reflect")
    height, width = images.shape[-2:]
    if height < size or width < size:
        raise ValueError(f"a {size}x{size} kernel does not fit a {height}x{width} image")
    spectrum = torch.fft.rfft2(F.pad(kernels, (0, width - size, 0, height - size)))
    blurred: Tensor = torch.fft.irfft2(torch.fft.rfft2(images) * spectrum.unsqueeze(1), s=(height, width))
    if border == "circular":
        return torch.roll(blurred, (-radius, -radius), dims=(-2, -1))
    return blurred[..., 2 * radius :, 2 * radius :]
