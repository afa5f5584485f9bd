"""Crops from the middle of an image."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

ImageT = TypeVar("ImageT", bound="np.ndarray[Any, Any]")


def centre_crop(image: ImageT, height: int, width: int | None = None) -> ImageT:
    """Return the middle of an image (H, W, ...), or as much of it as there is; a view, not a copy.

    Args:
        image: Any array whose first two axes are rows and columns.
        height: Rows of the crop.
        width: Columns of the crop; None stands for as many as rows.
    """
    columns = height if width is None else width
    top, left = max(0, (image.shape[0] - height) // 2), max(0, (image.shape[1] - columns) // 2)
    cropped: ImageT = image[top : top + height, left : left + columns]  # type: ignore[assignment]
    return cropped
