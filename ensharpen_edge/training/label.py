"""Let a slow teacher answer once: from photographs to a folder of labels that later runs learn from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ensharpen_edge.data.cache import load_photos
from ensharpen_edge.degrade.mix import MARGIN, DegradationMix
from ensharpen_edge.errors import UsageError
from ensharpen_edge.progress import Progress, no_progress
from ensharpen_edge.training.distillation.labels import LabelConfig, read_labels, write_labels
from ensharpen_edge.training.distillation.teacher import SelfEnsembleTeacher, Teacher, open_teacher
from ensharpen_edge.training.distillation.teacher_gain import TeacherGain, teacher_gain


@dataclass(frozen=True)
class LabelRequest:
    """One call of `label`.

    Attributes:
        data: Folder of photographs; those that training holds out are never labelled.
        teacher: Model, checkpoint or .onnx file.
        out: Folder for labels; each set gets a folder in it that is named by its key.
        count: Labels in all.
        labels: Degradations, side and seed of the crops.
        self_ensemble: Take the mean of the teacher's answers to so many mirrored and turned views: 1, 2, 4 or 8.
        threads: CPU threads; 0 leaves them as they are.
        cache: Folder of decoded photographs, or None to decode into memory.

    Raises:
        UsageError: No labels are asked for.
    """

    data: Path
    teacher: str
    out: Path
    count: int
    labels: LabelConfig
    self_ensemble: int = 1
    threads: int = 0
    cache: Path | None = None

    def __post_init__(self) -> None:
        if self.count < 1:
            raise UsageError(f"count must be at least 1, got {self.count}")


@dataclass(frozen=True)
class LabelResult:
    """Finished labels.

    Attributes:
        folder: Folder of the labels, for `TrainRequest.labels`.
        count: Number of labels.
        gain: How much nearer to the truth the answers are.
        skipped: Photographs that could not be used, and why.
    """

    folder: Path
    count: int
    gain: TeacherGain
    skipped: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the result, as JSON types."""
        return {
            "folder": str(self.folder),
            "count": self.count,
            "gain": str(self.gain),
            "skipped": list(self.skipped),
        }


def label(request: LabelRequest, progress: Progress = no_progress) -> LabelResult:
    """Let a teacher answer crops of photographs, or finish what an interrupted call began.

    Args:
        request: The photographs, the teacher, and what it is asked.
        progress: Told how many photographs are decoded, and how many crops are labelled.

    Raises:
        BadInputError: The photographs or the teacher are unfit, or the folder cannot be written.
        UsageError: An unknown model, or a number of views that is none.
    """
    if request.threads:
        torch.set_num_threads(request.threads)
    teacher: Teacher = open_teacher(request.teacher)
    if request.self_ensemble != 1:
        teacher = SelfEnsembleTeacher(teacher, request.self_ensemble)
    mix: DegradationMix | None = request.labels.mix
    side = request.labels.crop + (2 * MARGIN if mix else 0)
    photos = load_photos(request.data, side, progress, request.cache)
    folder = write_labels(teacher, photos.split()[0], request.labels, request.count, request.out, progress)
    return LabelResult(folder, request.count, teacher_gain(read_labels(folder)), photos.skipped)
