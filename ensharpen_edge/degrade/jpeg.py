"""JPEG compression as libjpeg does it, on a batch of tensors.

ITU-T T.81 (baseline DCT) with the quantization tables of its Annex K scaled the way libjpeg scales them, JFIF colour
conversion, 4:2:0 or 4:4:4 chroma, and libjpeg's triangular ("fancy") chroma upsampling. The decoded picture is what a
file would give; entropy coding loses nothing and is left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ensharpen_edge.degrade.probability import check_probabilities
from ensharpen_edge.errors import UsageError

_LUMA_TABLE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA_TABLE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *(((99,) * 8,) * 4),
)


@dataclass(frozen=True)
class JpegConfig:
    """Distribution of compression.

    Attributes:
        quality: Range, whole numbers, 1 to 100.
        subsampled: Probability of 4:2:0 chroma; the others keep 4:4:4.
    """

    quality: tuple[int, int] = (50, 95)
    subsampled: float = 0.7

    def __post_init__(self) -> None:
        if not 1 <= self.quality[0] <= self.quality[1] <= 100:
            raise UsageError(f"JPEG qualities must ascend within 1 to 100, got {self.quality}")
        check_probabilities(self, ("subsampled",))


def quantization_tables(quality: int) -> Tensor:
    """(2, 8, 8) luma and chroma tables for a libjpeg quality from 1 to 100.

    Raises:
        ValueError: Another quality.
    """
    if not 1 <= quality <= 100:
        raise ValueError(f"JPEG quality must be 1 to 100, got {quality}")
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    base = torch.tensor([_LUMA_TABLE, _CHROMA_TABLE], dtype=torch.int64)
    return ((base * scale + 50) // 100).clamp(1, 255).to(torch.float32)


def _dct_matrix(like: Tensor) -> Tensor:
    k = torch.arange(8, dtype=like.dtype, device=like.device)
    matrix = torch.cos((2 * k[None, :] + 1) * k[:, None] * math.pi / 16) / 2
    matrix[0] /= math.sqrt(2)
    return matrix


def _compress_plane(plane: Tensor, table: Tensor) -> Tensor:
    """Quantize (N, H, W) code values in 8x8 blocks; H and W multiples of 8. Whole numbers in [0, 255]."""
    n, height, width = plane.shape
    dct = _dct_matrix(plane)
    blocks = (plane - 128.0).reshape(n, height // 8, 8, width // 8, 8).permute(0, 1, 3, 2, 4)
    coefficients = dct @ blocks @ dct.t()
    restored = dct.t() @ ((coefficients / table).round() * table) @ dct
    codes = (restored + 128.0).round().clamp(0.0, 255.0)
    return codes.permute(0, 1, 3, 2, 4).reshape(n, height, width)


def _pad_to(plane: Tensor, multiple: int) -> Tensor:
    height, width = plane.shape[-2:]
    return F.pad(plane, (0, -width % multiple, 0, -height % multiple), mode="replicate")


def _halve(planes: Tensor) -> Tensor:
    """Return the mean of 2x2 pixels with libjpeg's alternating rounding (bias 1, 2, 1, 2 along a row)."""
    total = F.avg_pool2d(planes, 2) * 4.0
    bias = 1.0 + (torch.arange(total.shape[-1], device=planes.device) % 2)
    return ((total + bias) / 4.0).floor()


def _double(planes: Tensor) -> Tensor:
    """Return triangular upsampling by 2: each output pixel is 9/16, 3/16, 3/16, 1/16 of its nearest input pixels."""
    padded = F.pad(planes, (1, 1, 1, 1), mode="replicate")
    return F.interpolate(padded, scale_factor=2, mode="bilinear", align_corners=False)[..., 2:-2, 2:-2].round()


def jpeg(images: Tensor, quality: int, *, subsampled: bool) -> Tensor:
    """Compress and decompress.

    Args:
        images: float (N, 3, H, W) in [0, 1]; rounded to 8 bits first. Any size.
        quality: libjpeg quality, 1 to 100.
        subsampled: 4:2:0 chroma.

    Returns:
        float (N, 3, H, W), multiples of 1/255. Not differentiable.

    Raises:
        ValueError: A quality outside 1 to 100.
    """
    tables = quantization_tables(quality).to(images.device, images.dtype)
    height, width = images.shape[-2:]
    codes = (images.clamp(0.0, 1.0) * 255.0).round()
    red, green, blue = codes.unbind(dim=1)
    luma = (0.299 * red + 0.587 * green + 0.114 * blue).round()
    blue_difference = (-0.168735892 * red - 0.331264108 * green + 0.5 * blue + 128.0).round().clamp(0, 255)
    red_difference = (0.5 * red - 0.418687589 * green - 0.081312411 * blue + 128.0).round().clamp(0, 255)
    chroma = torch.stack([blue_difference, red_difference], dim=1)
    multiple = 16 if subsampled else 8
    luma = _compress_plane(_pad_to(luma[:, None], multiple)[:, 0], tables[0])
    chroma = _pad_to(chroma, multiple)
    if subsampled:
        chroma = _halve(chroma)
    n = images.shape[0]
    chroma = _compress_plane(chroma.reshape(2 * n, *chroma.shape[-2:]), tables[1]).reshape(n, 2, *chroma.shape[-2:])
    if subsampled:
        # The decoder upsamples the visible part only: its last column and row are repeated, not the padding.
        chroma = _double(chroma[..., : -(-height // 2), : -(-width // 2)])
    luma = luma[:, :height, :width]
    cb, cr = (chroma[..., :height, :width] - 128.0).unbind(dim=1)
    rgb = torch.stack([luma + 1.402 * cr, luma - 0.344136286 * cb - 0.714136286 * cr, luma + 1.772 * cb], dim=1)
    return rgb.round().clamp(0.0, 255.0) / 255.0


def sample_and_compress(images: Tensor, config: JpegConfig, generator: torch.Generator) -> Tensor:
    """Compress each image of (N, 3, H, W) with its own quality and chroma sampling."""
    low, high = config.quality
    count = images.shape[0]
    qualities = torch.randint(low, high + 1, (count,), generator=generator, device=generator.device).tolist()
    halved = (torch.rand(count, generator=generator, device=generator.device) < config.subsampled).tolist()
    return torch.cat([jpeg(images[i : i + 1], int(qualities[i]), subsampled=halved[i]) for i in range(count)])
