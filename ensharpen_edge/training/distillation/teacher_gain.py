"""The worth of a teacher's labels: how much nearer to the truth they are than what it was given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ensharpen_edge.metrics.psnr import psnr
from ensharpen_edge.training.distillation.labels import Labels

SHARP = 40.0
"""dB to the truth from which on a crop has nothing to remove: there, a teacher can only show that it takes care."""


@dataclass(frozen=True)
class TeacherGain:
    """Gain of a teacher over the labels whose truth is known, in dB (PSNR, RGB, 8-bit).

    Attributes:
        gains: Teacher minus degraded, of each crop below `SHARP`.
        kept: The teacher's PSNR on each of the others, infinite where nothing was changed.
    """

    gains: tuple[float, ...]
    kept: tuple[float, ...]

    def __str__(self) -> str:
        parts = []
        if self.gains:
            better = sum(gain > 0 for gain in self.gains)
            parts.append(
                f"{len(self.gains)} degraded crops: {np.mean(self.gains):+.2f} dB on average, lowest "
                f"{min(self.gains):+.2f}, {better} of them better"
            )
        if self.kept:
            parts.append(f"{len(self.kept)} sharp ones: lowest {min(self.kept):.1f} dB")
        return "; ".join(parts) or "the truth is not known"


def teacher_gain(labels: Labels) -> TeacherGain:
    """Return the gain of a teacher: its answers and its inputs, compared with the truth."""
    gains: list[float] = []
    kept: list[float] = []
    known = (images[labels.has_sharp] for images in (labels.degraded, labels.teacher, labels.sharp))
    for degraded, answer, sharp in zip(*known, strict=True):
        before, after = (psnr(image, sharp, data_range=255.0) for image in (degraded, answer))
        if before < SHARP:
            gains.append(after - before)
        else:
            kept.append(after)
    return TeacherGain(tuple(gains), tuple(kept))
