"""What the network really sees: chosen crops, degraded the way training degrades them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ensharpen_edge.calibration.collect import PhotoInput
from ensharpen_edge.calibration.photo_choice import CropChoice
from ensharpen_edge.data.photos import PhotoSet
from ensharpen_edge.degrade.mix import MARGIN, degrade
from ensharpen_edge.degrade.mixes import MIXES
from ensharpen_edge.errors import unknown_name


@dataclass(frozen=True)
class Preprocessing:
    """How crops become inputs.

    Attributes:
        mix: Name of the degradations.
        crop: Side of the inputs; the chosen crops are larger by the mix's margins.
        seed: Of the degradations.
    """

    mix: str = "photo"
    crop: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        if self.mix not in MIXES:
            raise unknown_name("mix", self.mix, MIXES)

    @property
    def chosen_side(self) -> int:
        """Side of the crops to choose."""
        return self.crop + 2 * MARGIN

    def to_dict(self) -> dict[str, Any]:
        """For the table's key: with every parameter of the mix, not only its name."""
        return {"mix": MIXES[self.mix].to_dict(), "crop": self.crop, "seed": self.seed}


def degraded_inputs(photos: PhotoSet, choices: tuple[CropChoice, ...], settings: Preprocessing) -> Iterator[PhotoInput]:
    """The chosen crops, one after the other. Each has a seed of its own, so a part of them is degraded alike."""
    images = dict(zip(photos.names, photos.images, strict=True))
    for choice in choices:
        side = settings.chosen_side
        pixels = images[choice.photo][choice.top : choice.top + side, choice.left : choice.left + side]
        crop = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None].float() / 255.0
        seed = (int(choice.sha256[:12], 16) + 7919 * choice.top + choice.left + settings.seed) % 2**63
        batch = degrade(crop, MIXES[settings.mix], torch.Generator().manual_seed(seed))
        name = f"{choice.photo} at {choice.left},{choice.top}"
        yield PhotoInput(name, np.ascontiguousarray(batch.degraded.clamp(0.0, 1.0).numpy()))
