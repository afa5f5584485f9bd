"""Everything that a run is given: photographs, labels, a teacher, and what is held out to judge it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ensharpen_edge.data.cache import load_photos
from ensharpen_edge.data.duplicates import refuse_overlap
from ensharpen_edge.data.photos import PhotoSet
from ensharpen_edge.data.shards import ShardConfig, ShardSource, is_shards, shard_files
from ensharpen_edge.data.source import FolderSource
from ensharpen_edge.errors import BadInputError, UsageError
from ensharpen_edge.progress import Progress, no_progress
from ensharpen_edge.training.config import TrainConfig
from ensharpen_edge.training.distillation.labels import read_labels
from ensharpen_edge.training.distillation.teacher import CheckpointTeacher, OnnxTeacher, open_teacher
from ensharpen_edge.training.tasks import sharp_side
from ensharpen_edge.training.trainer import Materials
from ensharpen_edge.training.validation import validation_set, validation_side

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True)
class DataPaths:
    """Where the photographs are.

    Attributes:
        data: Folder, or shard pattern ending in `.tar`.
        validation: Folder of held-out photographs; None holds one photograph in 16 of `data` out.
        evaluation: Folders that the result will be judged on: none of their photographs may be trained on.
        cache: Folder of decoded photographs, or None for memory.
    """

    data: str
    validation: Path | None = None
    evaluation: tuple[Path, ...] = ()
    cache: Path | None = None


@dataclass(frozen=True)
class Gathered:
    """Everything that a run starts with, loaded and checked.

    Attributes:
        materials: Photographs, held-out pairs and teachers, for the trainer.
        photographs, megapixels: Number and size of the training photographs; 0 for shards.
        skipped: Files that could not be used, and why.
    """

    materials: Materials
    photographs: int
    megapixels: float
    skipped: tuple[str, ...]


def gather(fabric: Fabric, config: TrainConfig, paths: DataPaths, progress: Progress = no_progress) -> Gathered:
    """Load photographs, labels and teacher, and check that nothing is trained on that judges.

    Raises:
        BadInputError: No usable photographs, too few to hold some out, an overlap, or an unfit teacher.
        UsageError: Shards without `validation`.
    """
    smallest = max(sharp_side(stage.crop, config.scale) for stage in config.stages)
    judging_mix = config.judging_mix
    held_side = validation_side(config.model.heads[0], judging_mix is not None)
    if is_shards(paths.data):
        if paths.validation is None:
            raise UsageError("shards need held-out photographs beside them", hint="give their folder with --validation")
        if paths.evaluation:
            raise UsageError("--evaluation compares with every training photograph, and shards are never read whole")
        source: FolderSource | ShardSource = ShardSource(
            ShardConfig(
                tuple(shard_files(paths.data)), seed=config.seed, rank=fabric.global_rank, world=fabric.world_size
            )
        )
        held_out = load_photos(paths.validation, held_side, progress, paths.cache)
        training, skipped = PhotoSet((), ()), held_out.skipped
    else:
        side = smallest if paths.validation else max(smallest, held_side)
        photos = _load_once(fabric, Path(paths.data), side, progress, paths.cache)
        training, held_out, skipped = photos, photos, photos.skipped
        if paths.validation is None:
            training, held_out = photos.split()
            if not len(held_out) or not len(training):
                raise BadInputError(
                    f"{len(photos)} photographs are too few to hold some out for validation",
                    hint="add photographs, or give a folder with --validation",
                )
        else:
            held_out = load_photos(paths.validation, held_side, progress, paths.cache)
            skipped += held_out.skipped
        refuse_overlap(training, held_out, "the validation photographs")
        source = FolderSource(training)
    wanted = config.distillation
    labels = read_labels(Path(wanted.labels)) if wanted and wanted.labels else None
    if labels is not None:
        refuse_overlap(labels.photos, held_out, "the validation photographs")
    for folder in paths.evaluation:
        judging = load_photos(folder, 1, progress, paths.cache)
        for taught in (training, labels.photos) if labels else (training,):
            refuse_overlap(taught, judging, str(folder))
    teacher = open_teacher(wanted.teacher, fabric.device) if wanted and wanted.teacher else None
    if teacher is not None:
        _check_teacher(teacher, config)
    validation = validation_set(held_out, config.model.heads[0], judging_mix)
    parts = [
        paths.data if is_shards(paths.data) else "",
        *((labels.key, len(labels)) if labels else ("", 0)),
        teacher.key if teacher else "",
        *(part for photos in (training, held_out) for part in (photos.names, photos.fingerprints)),
    ]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
    return Gathered(Materials(source, validation, labels, teacher, key), len(training), training.megapixels, skipped)


def _check_teacher(teacher: CheckpointTeacher | OnnxTeacher, config: TrainConfig) -> None:
    """Refuse a teacher that cannot take a stage's crops before the run starts, not hours later."""
    for stage in config.stages:
        if teacher.size is not None and teacher.size != (stage.crop, stage.crop):
            raise BadInputError(
                f"the teacher is fixed to {teacher.size[1]}x{teacher.size[0]} pixels, stage {stage.title!r} has crops "
                f"of {stage.crop}",
                hint="let it answer beforehand: ensharpen-train label",
            )
        if isinstance(teacher, CheckpointTeacher) and stage.crop % teacher.network.config.total_stride:
            raise BadInputError(
                f"the teacher needs multiples of {teacher.network.config.total_stride}, stage {stage.title!r} has "
                f"crops of {stage.crop}"
            )


def _load_once(fabric: Fabric, folder: Path, smallest: int, progress: Progress, cache: Path | None) -> PhotoSet:
    """Let the first process fill the cache, and all the others read it then."""
    photos = None
    if fabric.is_global_zero:
        photos = load_photos(folder, smallest, progress, cache)
    fabric.barrier()
    return photos or load_photos(folder, smallest, progress, cache)
