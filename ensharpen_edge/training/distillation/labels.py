"""A teacher's answers on disk: slow teachers answer once, and every later run learns from the same labels.

Each label is one safetensors file with 8-bit images: `degraded` (what the teacher saw), `teacher` (its answer), and
`sharp` when the ground truth is known. The folder's name is the key of its content: teacher, photographs, degradation
mix and crop size.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from torch import Tensor

from ensharpen_edge.arrays import U8
from ensharpen_edge.data.crops import CropSampler
from ensharpen_edge.data.photos import PhotoSet
from ensharpen_edge.degrade.mix import MARGIN, DegradationMix, degrade
from ensharpen_edge.degrade.soft_photo import to_eight_bit
from ensharpen_edge.errors import BadInputError, IntegrityError
from ensharpen_edge.files import whole_file
from ensharpen_edge.progress import Progress, no_progress
from ensharpen_edge.training.distillation.teacher import Teacher

_VERSION = 1
INDEX = "labels.json"


@dataclass(frozen=True)
class LabelConfig:
    """The crops that are labelled.

    Attributes:
        mix: Degradation of sharp photographs; None takes the photographs as they are, blurry, without ground truth.
        crop: Side of the labelled crops.
        seed: Seed of crops and degradations.
    """

    mix: DegradationMix | None
    crop: int = 256
    seed: int = 0


@dataclass(frozen=True)
class Labels:
    """Labelled crops, all of one size.

    Attributes:
        degraded, teacher: uint8 (N, 3, S, S).
        sharp: uint8 (N, 3, S, S); zeros where the truth is not known.
        has_sharp: bool (N,).
        key: Identifies the content.
        photos: Names and fingerprints of the photographs that crops were taken from, without pixels.
    """

    degraded: U8
    teacher: U8
    sharp: U8
    has_sharp: np.ndarray[tuple[int], np.dtype[np.bool_]]
    key: str
    photos: PhotoSet

    def __len__(self) -> int:
        return len(self.degraded)


def label_key(teacher: Teacher, photos: PhotoSet, config: LabelConfig) -> str:
    """Return the hash of everything that decides a label."""
    digest = hashlib.sha256()
    mix = None if config.mix is None else config.mix.to_dict()
    digest.update(json.dumps([_VERSION, teacher.key, mix, config.crop, config.seed], sort_keys=True).encode())
    for name, image in zip(photos.names, photos.images, strict=True):
        digest.update(f"{name}\0{image.shape}\0".encode())
        digest.update(np.ascontiguousarray(image[::64]).data)  # every 64th row: enough to notice another picture
    return digest.hexdigest()[:24]


def write_labels(
    teacher: Teacher,
    photos: PhotoSet,
    config: LabelConfig,
    count: int,
    folder: Path,
    progress: Progress = no_progress,
) -> Path:
    """Label `count` crops, or finish what an interrupted call began.

    Crop i depends on the seed and i alone, so labels can be added later by a larger count.

    Args:
        teacher: The network that answers.
        photos: Sources of the crops.
        config: The crops that are labelled.
        count: Labels wanted in all.
        folder: The labels go into the folder of this one that is named by their key.
        progress: Told how many crops are labelled.

    Returns:
        The folder of the labels.

    Raises:
        BadInputError: The teacher is fixed to another size, or the folder cannot be written.
    """
    if teacher.size is not None and teacher.size != (config.crop, config.crop):
        raise BadInputError(
            f"the teacher is fixed to {teacher.size[1]}x{teacher.size[0]} pixels, the crops are "
            f"{config.crop}x{config.crop}",
            hint=f"--crop {teacher.size[0]}" if teacher.size[0] == teacher.size[1] else "export it for a square",
        )
    margin = 0 if config.mix is None else MARGIN
    sampler = CropSampler(photos, config.crop + 2 * margin)
    key = label_key(teacher, photos, config)
    target = folder / key
    try:
        target.mkdir(parents=True, exist_ok=True)
        for index in range(count):
            path = target / f"{index:06d}.safetensors"
            if not path.exists():
                with whole_file(path) as temporary:
                    save_file(_label(teacher, sampler, config, index), temporary)
            progress("labelling", index + 1, count)
        with whole_file(target / INDEX) as temporary:
            contents = {
                "key": key,
                "count": count,
                "teacher": teacher.key,
                "photos": photos.names,
                "fingerprints": photos.fingerprints,
            }
            temporary.write_text(json.dumps(contents), encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise BadInputError(f"{target}: cannot write labels ({error})", hint="finished labels are kept") from error
    return target


def _label(teacher: Teacher, sampler: CropSampler, config: LabelConfig, index: int) -> dict[str, U8]:
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + index)
    crop = torch.from_numpy(sampler.draw(1, generator).pixels).float() / 255.0
    if config.mix is None:
        degraded = crop
        tensors = {}
    else:
        batch = degrade(crop, config.mix, generator)
        degraded = to_eight_bit(batch.degraded)
        tensors = {"sharp": _bytes(batch.target)}
    answer = teacher(degraded)
    if not bool(torch.isfinite(answer).all()):
        raise BadInputError(f"the teacher returned NaN or Inf for crop {index}")
    return {**tensors, "degraded": _bytes(degraded), "teacher": _bytes(answer)}


def _bytes(images: Tensor) -> U8:
    codes: U8 = (images[0].clamp(0.0, 1.0) * 255.0).round().to(torch.uint8).contiguous().numpy()
    return codes


def read_labels(folder: Path) -> Labels:
    """Load a folder that `write_labels` finished, or the only one of them in a folder.

    Raises:
        BadInputError: Not finished, or no labels.
        IntegrityError: A file is damaged.
    """
    inside = sorted(folder.glob(f"*/{INDEX}"))
    if len(inside) == 1 and not (folder / INDEX).exists():
        folder = inside[0].parent
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        count, key = int(index["count"]), str(index["key"])
        photos = PhotoSet(tuple(index["photos"]), (), tuple(int(value) for value in index["fingerprints"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInputError(
            f"{folder}: no finished labels ({error})",
            hint=f"name one of its folders: {', '.join(path.parent.name for path in inside)}"
            if inside
            else "make them with: ensharpen-train label",
        ) from error
    degraded: list[U8] = []
    teacher: list[U8] = []
    sharp: list[U8] = []
    known: list[bool] = []
    for number in range(count):
        path = folder / f"{number:06d}.safetensors"
        try:
            tensors = load_file(path)
            shape = tensors["degraded"].shape
            if len(shape) != 3 or shape[0] != 3 or (degraded and shape != degraded[0].shape):
                raise ValueError(f"images of {shape}")
            if any(image.dtype != np.uint8 or image.shape != shape for image in tensors.values()):
                raise ValueError("images of other types or sizes")
            degraded.append(tensors["degraded"])
            teacher.append(tensors["teacher"])
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise IntegrityError(f"{path}: damaged label ({error})", hint="delete it and label again") from error
        known.append("sharp" in tensors)
        sharp.append(tensors.get("sharp", np.zeros_like(degraded[-1])))
    if not degraded:
        raise BadInputError(f"{folder}: holds no labels")
    return Labels(np.stack(degraded), np.stack(teacher), np.stack(sharp), np.array(known, dtype=np.bool_), key, photos)
