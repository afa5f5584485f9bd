"""Make a blur kernel from the path of a moving camera."""

from __future__ import annotations

import torch
from torch import Tensor


def rasterise_paths(paths: Tensor, size: int) -> Tensor:
    """Spread each path's samples over the pixels around them (bilinear weights), centred on the path's mean.

    Args:
        paths: (N, T, 2), x and y in pixels, equal exposure time per sample.
        size: Odd side of the kernels; samples beyond it are pulled to its rim.

    Returns:
        (N, size, size) kernels that sum to 1 and whose centre of mass is the centre pixel (up to the pulled ones).
    """
    count, samples = paths.shape[:2]
    centred = paths - paths.mean(dim=1, keepdim=True) + size // 2
    centred = centred.clamp(0.0, size - 1.0 - 1e-4)
    corner = centred.floor()
    fraction = centred - corner
    x0, y0 = corner[..., 0].long(), corner[..., 1].long()
    fx, fy = fraction[..., 0], fraction[..., 1]
    kernels = torch.zeros(count, size * size, dtype=paths.dtype, device=paths.device)
    for dx, dy, weight in (
        (0, 0, (1 - fx) * (1 - fy)),
        (1, 0, fx * (1 - fy)),
        (0, 1, (1 - fx) * fy),
        (1, 1, fx * fy),
    ):
        kernels.scatter_add_(1, (y0 + dy) * size + x0 + dx, weight)
    return kernels.reshape(count, size, size) / samples
