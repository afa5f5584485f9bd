"""Real pairs are read by one reader, whoever asks."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from ensharpen_edge.errors import BadInputError
from ensharpen_edge.imaging.crops import centre_crop
from ensharpen_edge.judging.pairs import holds_pairs, pair_files, read_pair


@pytest.fixture
def pairs(photo_folder, tmp_path):
    for part in ("blur", "sharp"):
        (tmp_path / part / "day").mkdir(parents=True)
        shutil.copy(photo_folder / "raft.png", tmp_path / part / "day" / "a.png")
        shutil.copy(photo_folder / "kitten.png", tmp_path / part / "b.png")
    return tmp_path


def test_pairs_lie_in_equal_places_below_their_folders(pairs, photo):
    assert holds_pairs(pairs)
    assert not holds_pairs(pairs / "blur")
    files = pair_files(pairs)
    assert [(b.relative_to(pairs / "blur"), s.relative_to(pairs / "sharp")) for b, s in files] == [
        (s.relative_to(pairs / "sharp"), s.relative_to(pairs / "sharp")) for _, s in files
    ]
    assert len(files) == 2
    blurred, _ = read_pair(*next(pair for pair in files if pair[0].name == "a.png"))
    assert np.array_equal(blurred, photo)


def test_what_is_no_pair_is_refused(pairs):
    with pytest.raises(BadInputError, match="no such folder"):
        pair_files(pairs / "blur")
    Image.new("RGB", (8, 8)).save(pairs / "sharp" / "b.png")
    with pytest.raises(BadInputError, match="its sharp partner"):
        read_pair(pairs / "blur" / "b.png", pairs / "sharp" / "b.png")
    (pairs / "sharp" / "b.png").unlink()
    with pytest.raises(BadInputError, match=r"without a partner: b\.png"):
        pair_files(pairs)


def test_the_middle_of_an_image_or_as_much_as_there_is():
    image = np.arange(7 * 10).reshape(7, 10)
    assert np.array_equal(centre_crop(image, 3), image[2:5, 3:6])
    assert np.array_equal(centre_crop(image, 20, 4), image[:, 3:7])
