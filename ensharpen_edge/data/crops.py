"""Random crops from a photo set, with flips and quarter turns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ensharpen_edge.arrays import U8
from ensharpen_edge.data.photos import PhotoSet
from ensharpen_edge.errors import BadInputError


@dataclass(frozen=True)
class Crops:
    """Drawn crops.

    Attributes:
        pixels: uint8 (N, 3, S, S).
        names: The photograph of each.
    """

    pixels: U8
    names: tuple[str, ...]


def oriented(crop: U8, orientation: int) -> U8:
    """Return one of the 8 flips and quarter turns of (H, W, ...)."""
    turned = np.rot90(crop, orientation % 4)
    return turned[:, ::-1] if orientation >= 4 else turned


class CropSampler:
    """Draws batches of square crops; large photographs are drawn more often, so every pixel is as likely.

    Raises:
        BadInputError: No photographs, or one that is smaller than the crop.
    """

    def __init__(self, photos: PhotoSet, size: int) -> None:
        if not len(photos):
            raise BadInputError("no photographs are left to cut crops from", hint="add photographs")
        small = [n for n, i in zip(photos.names, photos.images, strict=True) if min(i.shape[:2]) < size]
        if small:
            raise BadInputError(f"{small[0]}: smaller than the {size}-pixel crop (degradation margin included)")
        self._photos = photos
        self._size = size
        self._areas = torch.tensor([float(i.shape[0] * i.shape[1]) for i in photos.images])

    def draw(self, count: int, generator: torch.Generator) -> Crops:
        """Draw `count` crops; all randomness comes from `generator` (CPU)."""
        index = torch.multinomial(self._areas, count, replacement=True, generator=generator).tolist()
        place = torch.rand(count, 2, generator=generator).tolist()
        turn = torch.randint(0, 8, (count,), generator=generator).tolist()
        batch = np.empty((count, 3, self._size, self._size), dtype=np.uint8)
        for row, (photo, (y, x), orientation) in enumerate(zip(index, place, turn, strict=True)):
            image = self._photos.images[photo]
            top = int(y * (image.shape[0] - self._size + 1))
            left = int(x * (image.shape[1] - self._size + 1))
            crop = oriented(image[top : top + self._size, left : left + self._size], orientation)
            batch[row] = crop.transpose(2, 0, 1)
        return Crops(batch, tuple(self._photos.names[photo] for photo in index))
