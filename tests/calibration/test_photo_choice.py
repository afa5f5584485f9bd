"""Crops for calibration: different, covering, explained; and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ensharpen_edge.calibration.photo_choice import candidate_crops, choose_crops, describe, distinct
from ensharpen_edge.calibration.settings import CalibrationSettings
from ensharpen_edge.data.cache import load_photos
from ensharpen_edge.data.duplicates import fingerprint
from ensharpen_edge.data.photos import PhotoSet
from ensharpen_edge.degrade.mix import MARGIN
from ensharpen_edge.errors import BadInputError


def settings(side: int = 96, count: int = 128, allow_few: bool = False) -> CalibrationSettings:
    """Settings by which crops of `side` pixels are chosen."""
    return CalibrationSettings(Path("photos"), count, side - 2 * MARGIN, allow_few=allow_few)


FEW = settings(count=20, allow_few=True)


@pytest.fixture(scope="module")
def photos(photo_folder) -> PhotoSet:
    return load_photos(photo_folder)


def made(*images: np.ndarray) -> PhotoSet:
    return PhotoSet(tuple(f"{i}.png" for i in range(len(images))), images, tuple(fingerprint(i) for i in images))


def test_crops_are_different_inside_and_reproducible(photos):
    chosen = choose_crops(photos, FEW)
    assert chosen == choose_crops(photos, FEW)
    assert len({(c.sha256, c.top, c.left) for c in chosen}) == 20
    assert {c.photo for c in chosen} == set(photos.names)
    for choice in chosen:
        image = photos.images[photos.names.index(choice.photo)]
        crop = image[choice.top : choice.top + 96, choice.left : choice.left + 96]
        assert crop.shape == (96, 96, 3)
        assert describe(crop) == choice.features
    assert {"flattest", "most edges", "darkest", "brightest"} <= {c.reason for c in chosen}


def test_chosen_crops_cover_more_than_random_ones(photos):
    chosen = choose_crops(photos, FEW)
    everything = candidate_crops(photos, list(range(len(photos))), FEW)
    features = np.array([list(c.features.values()) for c in everything])
    ranks = features.argsort(axis=0).argsort(axis=0) / len(features)
    mine = [everything.index(next(e for e in everything if (e.sha256, e.top, e.left) == (c.sha256, c.top, c.left)))
            for c in chosen]  # fmt: skip

    def gap(indices) -> float:
        """Largest distance from any candidate to its nearest chosen one."""
        return float(np.linalg.norm(ranks[:, None] - ranks[None, indices], axis=2).min(axis=1).max())

    random = [gap(np.random.default_rng(s).choice(len(ranks), 20, replace=False)) for s in range(20)]
    assert gap(mine) < np.median(random)


def test_a_growing_folder_keeps_its_candidates(photos):
    fewer = photos.subset(lambda name: name != "raft.png")
    few = settings(count=8, allow_few=True)
    before = {(c.photo, c.top, c.left) for c in candidate_crops(fewer, [0, 1, 2, 3], few)}
    after = {(c.photo, c.top, c.left) for c in candidate_crops(photos, [0, 1, 2, 3, 4], few)}
    assert before < after
    assert len(choose_crops(fewer, few)) == 8


def test_what_cannot_calibrate_is_refused(photos, photo):
    with pytest.raises(BadInputError, match="5 distinct photographs"):
        choose_crops(photos, settings())
    with pytest.raises(BadInputError, match="1000 pixels a side"):
        choose_crops(photos, settings(1000, allow_few=True))
    repeated = made(*([photo] * 20))
    assert distinct(repeated) == [0]
    with pytest.raises(BadInputError, match="1 distinct"):
        choose_crops(repeated, settings())
    with pytest.raises(BadInputError, match="flat"):
        choose_crops(made(np.zeros((200, 200, 3), np.uint8)), FEW)
