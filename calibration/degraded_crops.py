"""The inputs that the network is calibrated with: chosen crops, degraded the way training degrades them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from ensharpen_edge.calibration.collect import PhotoInput
from ensharpen_edge.calibration.photo_choice import CropChoice
from ensharpen_edge.calibration.settings import ANY_PHOTO, CalibrationSettings
from ensharpen_edge.data.cache import release_pages
from ensharpen_edge.data.photos import PhotoSet
from ensharpen_edge.degrade.mix import DegradationMix, degrade, mix_from_dict
from ensharpen_edge.degrade.mixes import MIXES


def training_mix(training: Mapping[str, Any]) -> DegradationMix:
    """Return the degradations that a network was last trained with, or everything when its card does not say.

    Ranges from other degradations cut off what the network does with its own. A recipe may define mixes, so the
    definition on the card counts, and its name only where there is none.

    Args:
        training: The part of a checkpoint's card.

    Raises:
        BadInputError: The card's definition is none.
    """
    stages = training.get("settings", {}).get("stages") or [{}]
    name = training.get("mix", stages[-1].get("mix"))
    defined = training.get("degradation", {})
    if isinstance(defined, Mapping) and isinstance(defined.get(name), Mapping):
        return mix_from_dict(defined[name])
    return MIXES.get(name, MIXES[ANY_PHOTO])


def sharp_crop(photos: PhotoSet, choice: CropChoice, settings: CalibrationSettings) -> torch.Tensor:
    """Return one chosen crop, float32 (1, 3, S, S) in [0, 1], with the margins that `degrade` uses up."""
    side = settings.chosen_side
    image = photos.images[photos.names.index(choice.photo)]
    pixels = image[choice.top : choice.top + side, choice.left : choice.left + side]
    crop = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None].float() / 255.0
    release_pages(image)
    return crop


def degraded_inputs(
    photos: PhotoSet, choices: Sequence[CropChoice], settings: CalibrationSettings
) -> Iterator[PhotoInput]:
    """Yield the chosen crops, one after the other. Each has a seed of its own, so a part of them is degraded alike."""
    for choice in choices:
        seed = (int(choice.sha256[:12], 16) + 7919 * choice.top + choice.left + settings.seed) % 2**63
        batch = degrade(
            sharp_crop(photos, choice, settings), settings.degradations, torch.Generator().manual_seed(seed)
        )
        name = f"{choice.photo} at {choice.left},{choice.top}"
        yield PhotoInput(name, np.ascontiguousarray(batch.degraded.clamp(0.0, 1.0).numpy()))
