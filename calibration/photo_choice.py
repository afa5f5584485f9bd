"""Which crops to calibrate with: few, real, different, and covering what a camera sees.

Crops are described by brightness, contrast and edge energy, and chosen one by one, each the farthest from those that
are there already (Gonzalez 1985, farthest-point traversal), after the flattest, the darkest, the brightest and the most
saturated ones, whose activations reach the ends of many ranges.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from ensharpen_edge.arrays import F64, U8
from ensharpen_edge.calibration.settings import CalibrationSettings
from ensharpen_edge.data.cache import release_pages
from ensharpen_edge.data.duplicates import SAME_PICTURE
from ensharpen_edge.data.photos import PhotoSet
from ensharpen_edge.errors import BadInputError
from ensharpen_edge.imaging.luma import LUMA

FEWEST = 16
"""Distinct photographs; fewer say too little about a network's ranges."""

_PER_PHOTO = 6
_FEATURES = ("brightness", "contrast", "edges", "saturation")
_FLAT_STEP = 1.0 / 255.0


@dataclass(frozen=True)
class CropChoice:
    """One crop that was chosen.

    Attributes:
        photo: Name of the photograph.
        sha256: Hash of the photograph's pixels.
        top, left: Position.
        features: Brightness, contrast, edge energy (all 0..1) and share of saturated pixels.
        reason: Why it was chosen.
    """

    photo: str
    sha256: str
    top: int
    left: int
    features: dict[str, float]
    reason: str


def distinct(photos: PhotoSet) -> list[int]:
    """Return the indices of photographs that are not the same picture as an earlier one."""
    kept: list[int] = []
    for index, print_ in enumerate(photos.fingerprints):
        if all((print_ ^ photos.fingerprints[other]).bit_count() > SAME_PICTURE for other in kept):
            kept.append(index)
    return kept


def describe(crop: U8) -> dict[str, float]:
    """Return the features of a crop, uint8 (S, S, 3)."""
    grey = crop.astype(np.float32) @ (np.array(LUMA, dtype=np.float32) / np.float32(255.0))
    slopes = np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean()
    saturated = ((crop <= 1) | (crop >= 254)).any(axis=2).mean()
    return {
        "brightness": float(grey.mean()),
        "contrast": float(grey.std()),
        "edges": float(slopes),
        "saturation": float(saturated),
    }


def choose_crops(photos: PhotoSet, settings: CalibrationSettings) -> list[CropChoice]:
    """Choose `settings.count` crops of `settings.chosen_side` pixels; they come in the order in which they were chosen.

    Raises:
        BadInputError: Too few distinct photographs, all too small, or nothing but flat ones.
    """
    side = settings.chosen_side
    large = [i for i in distinct(photos) if min(photos.images[i].shape[:2]) >= side]
    if not large:
        raise BadInputError(
            f"none of the {len(photos)} photographs is {side} pixels a side", hint="use a smaller --crop"
        )
    if len(large) < FEWEST and not settings.allow_few:
        raise BadInputError(
            f"{len(large)} distinct photographs of at least {side} pixels are too few to calibrate with, "
            f"{FEWEST} are needed",
            hint="add photographs, or accept less with --allow-few",
        )
    candidates = candidate_crops(photos, large, settings)
    if min(len(candidates), settings.count) < 2:
        raise BadInputError("one crop is too few to calibrate with: two halves are compared", hint="add photographs")
    if max(choice.features["contrast"] for choice in candidates) < _FLAT_STEP:
        raise BadInputError("every photograph is flat (all black?): ranges from them would mean nothing")
    order = _order(np.array([[c.features[name] for name in _FEATURES] for c in candidates]), settings.count)
    return [
        CropChoice(c.photo, c.sha256, c.top, c.left, c.features, reason)
        for c, reason in ((candidates[index], reason) for index, reason in order)
    ]


def candidate_crops(photos: PhotoSet, indices: list[int], settings: CalibrationSettings) -> list[CropChoice]:
    """Return some crops of each photograph, twice as many in all as are wanted, without a reason yet."""
    side = settings.chosen_side
    per_photo = max(_PER_PHOTO, -(-2 * settings.count // len(indices)))
    found = []
    for index in indices:
        image, name = photos.images[index], photos.names[index]
        digest = hashlib.sha256(np.ascontiguousarray(image).data).hexdigest()
        # The positions depend on the photograph alone, so a folder that grows keeps its earlier candidates.
        rng = np.random.default_rng((settings.seed, int(digest[:12], 16)))
        room = (image.shape[0] - side + 1, image.shape[1] - side + 1)
        places = {(int(rng.integers(room[0])), int(rng.integers(room[1]))) for _ in range(per_photo)}
        for top, left in sorted(places):
            crop = np.asarray(image[top : top + side, left : left + side])
            found.append(CropChoice(name, digest, top, left, describe(crop), ""))
        release_pages(image)
    return found


def _ranks(values: F64) -> F64:
    """Return ranks from 0 to 1; equal values share the mean of theirs, or sorting would set them apart at random."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    means: F64 = np.cumsum(counts) - (counts + 1) / 2
    ranks: F64 = means[places] / max(1, len(values) - 1)
    return ranks


def _order(features: F64, count: int) -> list[tuple[int, str]]:
    """Return the indices and reasons: the extremes first, then whatever is farthest from all that was chosen."""
    ranks = np.column_stack([_ranks(column) for column in features.T])
    chosen: list[tuple[int, str]] = []
    distance = np.full(len(features), np.inf)

    def take(index: int, reason: str) -> None:
        chosen.append((index, reason))
        # Rounded, so that the last bits, in which processors differ, decide nothing.
        np.minimum(distance, np.round(((ranks - ranks[index]) ** 2).sum(axis=1), 9), out=distance)
        distance[index] = -1.0

    extremes = (
        ("flattest", int(features[:, 2].argmin())),
        ("most edges", int(features[:, 2].argmax())),
        ("darkest", int(features[:, 0].argmin())),
        ("brightest", int(features[:, 0].argmax())),
        ("most saturated", int(features[:, 3].argmax())),
    )
    for reason, index in extremes:
        if len(chosen) < count and distance[index] >= 0.0:
            take(index, reason)
    while len(chosen) < min(count, len(features)):
        take(int(distance.argmax()), "farthest from those before")
    return chosen
