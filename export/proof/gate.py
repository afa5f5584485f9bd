"""The release gate's quality half: the exported model still does its task, and leaves sharp photographs alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ensharpen_edge.arrays import F32
from ensharpen_edge.errors import BadInputError, QualityError
from ensharpen_edge.export.precision import find_precision
from ensharpen_edge.export.proof.blocks import BLOCK, block_means
from ensharpen_edge.export.proof.ladder import Run
from ensharpen_edge.imaging.resample import resampled
from ensharpen_edge.json_numbers import json_numbers
from ensharpen_edge.judging.scores import agreement, closeness, kept_gain, truth_psnr
from ensharpen_edge.metrics.retained_gain import retained_gain

MEAN_DROP, RETAINED = 0.05, 0.98
"""Largest mean loss of PSNR in any condition, dB, and smallest share of the gain that is kept, where none are given."""

TRAINED_DROP, TRAINED_RETAINED, TRAINED_PHOTO_DROP = 0.15, 0.94, 0.5
"""The same limits for networks trained in 8 bits, and the largest loss on any photograph, dB: the gate has few
photographs, and they are cleaner than most."""


@dataclass(frozen=True)
class GatePair:
    """A photograph with its ground truth, both float32 in [0, 1].

    Attributes:
        name: Name of the photograph.
        condition: What it is judged with: a set and what was done to it.
        degraded: What the network gets, (1, 3, H, W).
        sharp: The truth, (1, 3, sH, sW) for a network that enlarges s times; there the degraded image, enlarged
            bicubically, is what it is compared with.
    """

    name: str
    condition: str
    degraded: F32
    sharp: F32


@dataclass(frozen=True)
class GateLimits:
    """Limits that an export must keep.

    Attributes:
        mean_drop: Largest mean loss of PSNR against ground truth in any condition, dB; None for `MEAN_DROP`,
            and for `TRAINED_DROP` of a network trained in 8 bits.
        retained: Smallest retained share of the sharpening gain in any condition in which the student gains; None for
            `RETAINED`, and for `TRAINED_RETAINED`.
        identity_drop: How much worse than the student the export may treat a sharp photograph, dB of
            PSNR(output, input), as far as it falls below `identity_good`.
        identity_good: A sharp photograph that is returned like this is as sharp as before, dB.
        identity_floor: Smallest PSNR(output, input) on a sharp photograph, dB; a network that repaints sharp
            photographs is not shipped, however well it sharpens.
        agreement: Smallest PSNR between export and student on any photograph, dB, or None for the precision's own
            (`Precision.agreement`).
        block: The same in any block of 16x16 pixels (`Precision.block_agreement`).
        photo_drop: Largest loss of PSNR against ground truth on any photograph, dB; None for `TRAINED_PHOTO_DROP` of a
            network trained in 8 bits, and for no such limit of others, which agree with their student everywhere.
    """

    mean_drop: float | None = None
    retained: float | None = None
    identity_drop: float = 1.0
    identity_good: float = 42.0
    identity_floor: float = 30.0
    agreement: float | None = None
    block: float | None = None
    photo_drop: float | None = None

    def of_trained(self) -> GateLimits:
        """Return the limits of a network that was trained in 8 bits, where none are given.

        It is another network than the float one, judged by the truth: it need not agree with it to any PSNR.
        """
        return replace(
            self,
            mean_drop=TRAINED_DROP if self.mean_drop is None else self.mean_drop,
            retained=TRAINED_RETAINED if self.retained is None else self.retained,
            photo_drop=TRAINED_PHOTO_DROP if self.photo_drop is None else self.photo_drop,
        )

    def of_precision(self, precision: str) -> GateLimits:
        """With the precision's own limits where none are given; a smaller agreement lowers that of a block, too."""
        row = find_precision(precision)
        drop = MEAN_DROP if self.mean_drop is None else self.mean_drop
        retained = RETAINED if self.retained is None else self.retained
        wanted = row.agreement if self.agreement is None else self.agreement
        block = row.block_agreement + min(0.0, wanted - row.agreement) if self.block is None else self.block
        return replace(self, mean_drop=drop, retained=retained, agreement=wanted, block=block)


@dataclass(frozen=True)
class PhotoScore:
    """PSNR (dB, RGB, 8-bit) of one photograph against its ground truth, of the sharp one against itself, and of the
    export's output against the student's, as a whole and in the worst block of 16x16 pixels. Of a network that
    enlarges, what it makes of the first condition is made smaller again and compared with its input, in place of the
    sharp photograph."""

    name: str
    condition: str
    degraded: float
    student: float
    exported: float
    identity_student: float
    identity_exported: float
    agreement: float
    worst_block: float


@dataclass(frozen=True)
class ConditionScore:
    """Means over the photographs of one condition.

    Attributes:
        condition: Its name.
        photographs: Their number.
        degraded, student, exported: PSNR against ground truth, dB.
        retained: Share of the sharpening gain, None where the student gains too little to tell.
        worst_agreement: Smallest PSNR between export and student, dB.
    """

    condition: str
    photographs: int
    degraded: float
    student: float
    exported: float
    retained: float | None
    worst_agreement: float

    @property
    def drop(self) -> float:
        """PSNR lost against ground truth, dB; negative when the export is the better one."""
        return self.student - self.exported


@dataclass(frozen=True)
class GateReport:
    """Scores and their summary."""

    scores: tuple[PhotoScore, ...]
    conditions: tuple[ConditionScore, ...]
    mean_degraded: float
    mean_student: float
    mean_exported: float
    retained: float
    worst_identity: float
    worst_agreement: float

    @property
    def mean_drop(self) -> float:
        """PSNR lost against ground truth, dB; negative when the export is the better one."""
        return self.mean_student - self.mean_exported

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; NaN and infinities become None."""
        plain: dict[str, Any] = json_numbers({**asdict(self), "mean_drop": self.mean_drop})
        return plain


def score_pairs(student: Run, exported: Run, pairs: Iterable[GatePair]) -> GateReport:
    """Measure student and export on the same photographs.

    Raises:
        BadInputError: No photographs, or the student itself improves them in no condition.
    """
    scores = _scores(student, exported, pairs)
    if not scores:
        raise BadInputError("the quality gate needs at least one photograph")
    names = dict.fromkeys(score.condition for score in scores)
    conditions = tuple(_summary(name, [score for score in scores if score.condition == name]) for name in names)
    gains = [c for c in conditions if c.retained is not None]
    if not gains:
        most = max(c.student - c.degraded for c in conditions)
        raise BadInputError(
            f"the student itself gains only {most:.2f} dB on these photographs, so an export has nothing to retain",
            hint="train it longer, or gate on photographs with what it was trained for (--data)",
        )
    degraded, reference, output = (
        _mean([getattr(c, name) for c in gains]) for name in ("degraded", "student", "exported")
    )
    return GateReport(
        scores,
        conditions,
        degraded,
        reference,
        output,
        retained_gain(output, reference, degraded),
        min(s.identity_exported for s in scores),
        min(s.agreement for s in scores),
    )


def check_quality(report: GateReport, limits: GateLimits) -> None:
    """Hold the scores to the limits.

    Raises:
        QualityError: Names the measure, the condition and the worst photograph.
    """
    for condition in report.conditions:
        _check_condition(condition, report, limits)
    poorest = max(report.scores, key=lambda s: s.student - s.exported)
    if limits.photo_drop is not None and not poorest.student - poorest.exported <= limits.photo_drop:
        raise QualityError(
            f"the export loses {poorest.student - poorest.exported:.2f} dB on {poorest.name} ({poorest.condition}), "
            f"allowed {limits.photo_drop:g}"
        )
    closest = min(report.scores, key=lambda s: s.agreement)
    if limits.agreement is not None and not closest.agreement >= limits.agreement:
        raise QualityError(
            f"the export differs from the student: {closest.agreement:.2f} dB on {closest.name} "
            f"({closest.condition}), needs {limits.agreement:.0f} dB"
        )
    patchiest = min(report.scores, key=lambda s: s.worst_block)
    if limits.block is not None and not patchiest.worst_block >= limits.block:
        raise QualityError(
            f"the export differs from the student in one place: {patchiest.worst_block:.2f} dB in a block of {BLOCK}x"
            f"{BLOCK} pixels of {patchiest.name} ({patchiest.condition}), needs {limits.block:.0f} dB",
            hint="borders or seams of the converted file are wrong",
        )
    for score in report.scores:
        wanted = min(limits.identity_good, score.identity_student - limits.identity_drop)
        if not score.identity_exported >= max(limits.identity_floor, wanted):
            raise QualityError(
                f"a sharp photograph does not stay sharp: {score.identity_exported:.2f} dB "
                f"(student {score.identity_student:.2f} dB) on {score.name}"
            )


def _check_condition(condition: ConditionScore, report: GateReport, limits: GateLimits) -> None:
    mine = [score for score in report.scores if score.condition == condition.condition]
    worst = max(mine, key=lambda s: s.student - s.exported)
    hint = f"worst photograph: {worst.name}, {worst.student:.2f} dB -> {worst.exported:.2f} dB"
    most = MEAN_DROP if limits.mean_drop is None else limits.mean_drop
    least = RETAINED if limits.retained is None else limits.retained
    if not condition.drop <= most:
        raise QualityError(
            f"the export loses {condition.drop:.3f} dB on average ({condition.condition}), allowed {most:.2f}",
            hint=hint,
        )
    if condition.retained is not None and not condition.retained >= least:
        raise QualityError(
            f"the export retains {condition.retained:.1%} of the gain ({condition.condition}), needs {least:.0%}",
            hint=hint,
        )


def _scores(student: Run, exported: Run, pairs: Iterable[GatePair]) -> tuple[PhotoScore, ...]:
    scores: list[PhotoScore] = []
    sharp: F32 | None = None
    stills = (0.0, 0.0)
    for pair in pairs:
        if sharp is None or not np.array_equal(pair.sharp, sharp):
            # The conditions of one photograph share its truth, so the truth is run once.
            sharp = pair.sharp
            still = sharp if sharp.shape == pair.degraded.shape else pair.degraded
            stills = _against(student(still), still), _against(exported(still), still)
        reference, output = student(pair.degraded), exported(pair.degraded)
        scores.append(
            PhotoScore(
                pair.name,
                pair.condition,
                _against(pair.degraded, pair.sharp),
                _against(reference, pair.sharp),
                _against(output, pair.sharp),
                *stills,
                agreement(output, reference),
                _worst_block(output, reference),
            )
        )
    return tuple(scores)


def _summary(name: str, scores: Sequence[PhotoScore]) -> ConditionScore:
    degraded, student, exported = (
        _mean([getattr(s, field) for s in scores]) for field in ("degraded", "student", "exported")
    )
    retained = kept_gain(exported, student, degraded)
    return ConditionScore(name, len(scores), degraded, student, exported, retained, min(s.agreement for s in scores))


def _against(image: F32, truth: F32) -> float:
    if image.shape != truth.shape:
        image = resampled(image, (truth.shape[2], truth.shape[3]))
    return truth_psnr(image, truth)


def _worst_block(output: F32, reference: F32) -> float:
    if not (np.isfinite(output).all() and np.isfinite(reference).all()):
        return -math.inf
    squares = ((output.astype(np.float64) - reference) ** 2).mean(axis=(0, 1))
    return closeness(float(block_means(squares).max()))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
