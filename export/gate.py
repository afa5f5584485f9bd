"""The release gate's quality half: the exported model still sharpens, and leaves sharp photographs alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ensharpen_edge.errors import BadInputError, QualityError
from ensharpen_edge.export.json_numbers import json_numbers
from ensharpen_edge.export.parity import Run
from ensharpen_edge.metrics.psnr import psnr
from ensharpen_edge.metrics.retained_gain import retained_gain
from ensharpen_edge.runtime.engine import F32

TINY_GAIN = 0.2
"""dB: photographs on which the student itself gains less say nothing about a retained share."""


@dataclass(frozen=True)
class GatePair:
    """A photograph with its ground truth, both float32 (1, 3, H, W) in [0, 1]."""

    name: str
    degraded: F32
    sharp: F32


@dataclass(frozen=True)
class GateLimits:
    """What an export must keep.

    Attributes:
        mean_drop: Largest mean loss of PSNR against ground truth, dB.
        retained: Smallest retained share of the sharpening gain, over all photographs together.
        identity_drop: How much worse than the student the export may treat a sharp photograph, dB of
            PSNR(output, input).
        identity_floor: Smallest PSNR(output, input) on a sharp photograph, dB; a network that repaints sharp
            photographs is not shipped, however well it sharpens.
    """

    mean_drop: float = 0.05
    retained: float = 0.98
    identity_drop: float = 1.0
    identity_floor: float = 30.0


@dataclass(frozen=True)
class PhotoScore:
    """PSNR (dB, RGB, 8-bit) of one photograph against its ground truth, and of the sharp one against itself."""

    name: str
    degraded: float
    student: float
    exported: float
    identity_student: float
    identity_exported: float


@dataclass(frozen=True)
class GateReport:
    """Scores and their summary."""

    scores: tuple[PhotoScore, ...]
    mean_degraded: float
    mean_student: float
    mean_exported: float
    retained: float
    worst_identity: float

    @property
    def mean_drop(self) -> float:
        """PSNR lost against ground truth, dB; negative when the export is the better one."""
        return self.mean_student - self.mean_exported

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; NaN and infinities become None."""
        plain: dict[str, Any] = json_numbers({**asdict(self), "mean_drop": self.mean_drop})
        return plain


def score_pairs(student: Run, exported: Run, pairs: Sequence[GatePair]) -> GateReport:
    """Measure student and export on the same photographs.

    Raises:
        BadInputError: No photographs, or the student itself does not sharpen them.
    """
    if not pairs:
        raise BadInputError("the quality gate needs at least one photograph")
    scores = tuple(_score(student, exported, pair) for pair in pairs)
    degraded = _mean([s.degraded for s in scores])
    reference = _mean([s.student for s in scores])
    output = _mean([s.exported for s in scores])
    if reference - degraded < TINY_GAIN:
        raise BadInputError(
            f"the student itself gains only {reference - degraded:.2f} dB on these photographs, so an export has "
            "nothing to retain",
            hint="train it longer, or gate on photographs with the blur it was trained for (--data)",
        )
    return GateReport(
        scores,
        degraded,
        reference,
        output,
        retained_gain(output, reference, degraded),
        min(s.identity_exported for s in scores),
    )


def check_quality(report: GateReport, limits: GateLimits) -> None:
    """Hold the scores to the limits.

    Raises:
        QualityError: Names the measure and the worst photograph.
    """
    worst = max(report.scores, key=lambda s: s.student - s.exported)
    hint = f"worst photograph: {worst.name}, {worst.student:.2f} dB -> {worst.exported:.2f} dB"
    if not report.mean_drop <= limits.mean_drop:
        raise QualityError(
            f"the export loses {report.mean_drop:.3f} dB on average, allowed {limits.mean_drop:.2f}",
            hint=hint,
        )
    if not report.retained >= limits.retained:
        raise QualityError(
            f"the export retains {report.retained:.1%} of the sharpening, needs {limits.retained:.0%}",
            hint=hint,
        )
    for score in report.scores:
        if not (
            score.identity_exported >= limits.identity_floor
            and score.identity_student - score.identity_exported <= limits.identity_drop
        ):
            raise QualityError(
                f"a sharp photograph does not stay sharp: {score.identity_exported:.2f} dB "
                f"(student {score.identity_student:.2f} dB) on {score.name}"
            )


def _score(student: Run, exported: Run, pair: GatePair) -> PhotoScore:
    reference, output = student(pair.degraded), exported(pair.degraded)
    still, still_exported = student(pair.sharp), exported(pair.sharp)

    def against(image: F32) -> float:
        # 60 dB stands for "equal": a mean over photographs must stay a number.
        return min(60.0, psnr(image, pair.sharp, data_range=1.0)) if np.isfinite(image).all() else -math.inf

    return PhotoScore(
        pair.name,
        against(pair.degraded),
        against(reference),
        against(output),
        against(still),
        against(still_exported),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
