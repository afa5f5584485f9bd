"""Proof of a file of a network that was trained in 8 bits: it is judged by the truth, beside its simulation and its
float parent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ensharpen_edge.arrays import F32, F64
from ensharpen_edge.errors import QualityError
from ensharpen_edge.export.proof.blocks import BLOCK, block_means
from ensharpen_edge.export.proof.gate import GatePair
from ensharpen_edge.export.proof.ladder import Run
from ensharpen_edge.export.proof.operators import OperatorReport, Tensors
from ensharpen_edge.json_numbers import json_numbers
from ensharpen_edge.judging.scores import truth_psnr

if TYPE_CHECKING:
    from ensharpen_edge.calibration.qat.quantized_graph import QuantizedGraph

LARGE_WINDOW = 38.0
"""Smallest PSNR between the file and its simulation on one large window, dB: codes that are rounded to the neighbour
leave 41 to 47, a kernel that is wrong from a size on leaves far less."""

SCORE_DROP = 0.1
"""How much worse against the truth than the expected output another device's may be on the golden image, dB."""

_MANY = 64
_FLAT = 2.0 / 255.0
"""Largest standard deviation of a flat block."""


@dataclass(frozen=True)
class TrainedProof:
    """What a file of a trained network is compared with.

    Attributes:
        reference: The network in torch, rounding as it was trained.
        tensors: Runs the file and returns its tensors; None where they cannot be looked at.
    """

    reference: QuantizedGraph
    tensors: Tensors | None = None

    def run(self, batch: F32) -> F32:
        """Compute float32 (1, 3, H, W) -> the same, both in [0, 1]."""
        import torch

        with torch.inference_mode():
            output: F32 = self.reference(torch.from_numpy(batch)).clamp(0.0, 1.0).numpy()
        return output


@dataclass(frozen=True)
class TrainedLimits:
    """Limits beside those of the gate.

    Attributes:
        mean: Largest difference between the mean scores of file and simulation in any condition of 64 photographs, dB;
            where there are fewer, chance allows more, by the root of how many times fewer.
        photograph: The same on any photograph.
        block: Largest rms error against the truth of any block of 16x16 pixels above the float network's, code values.
        flat: Largest mean error of colour in flat blocks above the float network's, code values.
    """

    mean: float = 0.005
    photograph: float = 0.05
    block: float = 8.0
    flat: float = 0.5


@dataclass(frozen=True)
class TrainedScore:
    """One photograph in one condition.

    Attributes:
        name, condition: As in the gate.
        parent, reference, exported: PSNR against the truth of the float network, the simulation and the file, dB.
        block: Largest rms error of a block above the float network's, code values.
        flat: How much farther from the truth the mean colour of flat blocks is than the float network's, code values;
            None without such blocks.
    """

    name: str
    condition: str
    parent: float
    reference: float
    exported: float
    block: float
    flat: float | None


@dataclass(frozen=True)
class TrainedReport:
    """Operators and scores of a file.

    Attributes:
        operators: One for each that could be looked at.
        scores: One for each photograph and condition.
    """

    operators: tuple[OperatorReport, ...] = ()
    scores: tuple[TrainedScore, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types: the summary of the operators, and every score."""
        worst = min(self.operators, key=lambda report: report.within_one, default=None)
        plain: dict[str, Any] = json_numbers(
            {
                "operators": len(self.operators),
                "equal_codes": float(np.mean([report.equal for report in self.operators])) if self.operators else None,
                "worst_operator": asdict(worst) if worst else None,
                "limits": asdict(TrainedLimits()),
                "scores": [asdict(score) for score in self.scores],
            }
        )
        return plain


def score_trained(parent: Run, reference: Run, exported: Run, pairs: Iterable[GatePair]) -> tuple[TrainedScore, ...]:
    """Measure float network, simulation and file on the same photographs."""
    scores = []
    for pair in pairs:
        floats, simulated, written = (run(pair.degraded) for run in (parent, reference, exported))
        scores.append(
            TrainedScore(
                pair.name,
                pair.condition,
                truth_psnr(floats, pair.sharp),
                truth_psnr(simulated, pair.sharp),
                truth_psnr(written, pair.sharp),
                _block_excess(written, floats, pair.sharp),
                _flat_error(written, floats, pair.sharp),
            )
        )
    return tuple(scores)


def check_trained(scores: Sequence[TrainedScore], limits: TrainedLimits) -> None:
    """Hold the scores to the limits.

    Raises:
        QualityError: Names the measure, the photograph and the condition.
    """
    for condition in dict.fromkeys(score.condition for score in scores):
        mine = [score for score in scores if score.condition == condition]
        apart = float(np.mean([score.exported - score.reference for score in mine]))
        allowed = limits.mean * max(1.0, (_MANY / len(mine)) ** 0.5)
        if not abs(apart) <= allowed:
            raise QualityError(
                f"the file scores {apart:+.4f} dB beside the network that was trained ({condition}), allowed "
                f"{allowed:.3f}",
                hint="a converter or a runtime rounds elsewhere than the training did",
            )
    for score in scores:
        where = f"on {score.name} ({score.condition})"
        if not abs(score.exported - score.reference) <= limits.photograph:
            raise QualityError(
                f"the file scores {score.exported:.3f} dB {where}, the trained network {score.reference:.3f} dB"
            )
        if not score.block <= limits.block:
            raise QualityError(
                f"a block of {BLOCK}x{BLOCK} pixels is {score.block:.1f} code values worse than the float network's "
                f"{where}, allowed {limits.block:.0f}",
                hint="borders or seams of the converted file are wrong, or it was trained too shortly",
            )
        if score.flat is not None and not score.flat <= limits.flat:
            raise QualityError(
                f"flat areas shift by {score.flat:.2f} code values {where}, allowed {limits.flat}",
                hint="train it longer (ensharpen-train quantize --steps)",
            )


def _block_excess(output: F32, parent: F32, truth: F32) -> float:
    rms = [np.sqrt(block_means(_squares(image, truth))) for image in (output, parent)]
    return float(255.0 * (rms[0] - rms[1]).max())


def _squares(image: F32, truth: F32) -> F64:
    return np.asarray(((image.astype(np.float64) - truth) ** 2).mean(axis=(0, 1)))


def _flat_error(output: F32, parent: F32, truth: F32) -> float | None:
    """Return how much farther from the truth the mean colour of flat blocks is than the float network's, on average."""
    planes = truth[0].astype(np.float64)
    means = np.stack([block_means(plane) for plane in planes])
    spread = np.stack([block_means(plane**2) for plane in planes]) - means**2
    flat = (spread < _FLAT**2).all(axis=0)
    if not flat.any():
        return None
    errors = [
        np.abs(np.stack([block_means(plane) for plane in image[0].astype(np.float64)]) - means)[:, flat].mean()
        for image in (output, parent)
    ]
    return float(255.0 * (errors[0] - errors[1]))
