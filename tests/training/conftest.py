"""Small real runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ensharpen_edge.data.cache import load_photos
from ensharpen_edge.data.photos import PhotoSet, is_held_out
from ensharpen_edge.data.source import FolderSource
from ensharpen_edge.models.config import StudentConfig
from ensharpen_edge.training.config import TrainConfig
from ensharpen_edge.training.curriculum import Stage
from ensharpen_edge.training.launch import Hardware, start
from ensharpen_edge.training.trainer import Intervals, Materials, Trainer
from ensharpen_edge.training.validation import validation_set

TINY = StudentConfig("tiny", (8, 8, 16), (2, 1, 2, 1, 1))


def held_out_name() -> str:
    return next(f"v{i}.png" for i in range(1000) if is_held_out(f"v{i}.png"))


def training_names(count: int) -> list[str]:
    return [f"t{i}.png" for i in range(1000) if not is_held_out(f"t{i}.png")][:count]


@pytest.fixture(scope="session")
def photos(photo_folder) -> PhotoSet:
    """The bundled photographs, one of them under a name that is held out."""
    loaded = load_photos(photo_folder)
    return PhotoSet((*training_names(len(loaded) - 1), held_out_name()), loaded.images, loaded.fingerprints)


@pytest.fixture(scope="session")
def named_folder(photo_folder, tmp_path_factory) -> Path:
    """The same as a folder."""
    folder = tmp_path_factory.mktemp("photos")
    names = [*training_names(4), held_out_name()]
    for name, file in zip(names, sorted(photo_folder.glob("*.png")), strict=True):
        (folder / name).symlink_to(file)
    return folder


@pytest.fixture(scope="session")
def few() -> TrainConfig:
    """24 steps in two stages."""
    stages = (Stage("soft", 1.0, 32, 4, (0.5, 1.0)), Stage("photo", 1.0, 48, 4))
    return TrainConfig(TINY, steps=24, stages=stages, learning_rate=3e-3, warm_up=5, ema=0.9, group=2)


@pytest.fixture(scope="session")
def make_trainer(photos) -> Callable[..., Trainer]:
    """A trainer on the bundled photographs; everything is prepared in the calling process."""

    def make(config: TrainConfig, folder: Path, intervals: Intervals | None = None, **materials: Any) -> Trainer:
        fabric = start(config, Hardware("cpu", threads=1, workers=0))
        given = {
            "photos": FolderSource(photos.split()[0]),
            "validation": validation_set(photos.subset(is_held_out), config.model.heads[0], config.judging_mix),
            **materials,
        }
        return Trainer(fabric, config, Materials(**given), folder, intervals or Intervals(validations=3), workers=0)

    return make
