"""Kernels of a moving camera: from a file, as published or with their centre of mass in the middle, and strokes."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensharpen_edge.errors import BadInputError

Kernel = NDArray[np.float64]


def read_kernels(file: Path) -> dict[str, Kernel]:
    """Return the kernels of a file by name, sorted.

    Args:
        file: npz file of kernels, each (k, k) with odd k, summing to 1.

    Raises:
        BadInputError: The file cannot be read, or holds something else.
    """
    try:
        with np.load(file, allow_pickle=False) as stored:
            loaded: dict[str, NDArray[Any]] = {
                name: np.asarray(stored[name], dtype=np.float64) for name in sorted(stored.files)
            }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise BadInputError(f"{file}: not a file of kernels ({error})") from error
    if not loaded:
        raise BadInputError(f"{file}: holds no kernels")
    for name, kernel in loaded.items():
        if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1] or kernel.shape[0] % 2 == 0:
            raise BadInputError(f"{file}: {name} is no square kernel of odd side")
        if not (np.isfinite(kernel).all() and (kernel >= 0).all() and abs(kernel.sum() - 1) < 1e-3):
            raise BadInputError(f"{file}: {name} has negative weights, or they do not sum to 1")
    return loaded


def centre_of_mass(kernel: Kernel) -> tuple[float, float]:
    """Return rows and columns from the middle of a (k, k) kernel to its centre of mass, pixels."""
    axis = np.arange(kernel.shape[0]) - kernel.shape[0] // 2
    total = kernel.sum()
    return float((kernel.sum(axis=1) * axis).sum() / total), float((kernel.sum(axis=0) * axis).sum() / total)


def centred(kernel: Kernel) -> Kernel:
    """Return the kernel moved so that its centre of mass is its middle, in a larger array where it needs one.

    Each weight is spread over four pixels (bilinear), as kernels of the training are: nothing becomes negative, and the
    centre of mass is exact to 1e-9 pixels.
    """
    # Rounded, so that a kernel that is centred but for the last bits keeps its size.
    offset = [round(value, 9) for value in centre_of_mass(kernel)]
    margin = int(np.ceil(max(map(abs, offset))))
    side = kernel.shape[0]
    rows, columns = np.mgrid[:side, :side] + margin - np.reshape(offset, (2, 1, 1))
    return _spread(rows, columns, kernel, side + 2 * margin)


def stroke(length: float, angle: float, size: int, samples: int = 400) -> Kernel:
    """Return a pan over `length` pixels at `angle` degrees from the x axis: (size, size), centred, sum 1."""
    along = length * np.linspace(-0.5, 0.5, samples)
    rows, columns = (size // 2 + along * part(np.deg2rad(angle)) for part in (np.sin, np.cos))
    return _spread(rows, columns, np.full(samples, 1 / samples), size)


def _spread(rows: Kernel, columns: Kernel, weights: Kernel, side: int) -> Kernel:
    """Spread each weight over the four pixels around its place, which lies inside (bilinear); returns (side, side)."""
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    down, right = rows - top, columns - left
    # One row and column more: a place on the last pixel has neighbours, of no weight, beyond it.
    kernel = np.zeros((side + 1, side + 1))
    for row, row_share in ((top, 1 - down), (top + 1, down)):
        for column, column_share in ((left, 1 - right), (left + 1, right)):
            np.add.at(kernel, (row, column), weights * row_share * column_share)
    return kernel[:side, :side]
