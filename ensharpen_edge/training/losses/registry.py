"""Names of the losses that compare two images. A new one is one function and one line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ensharpen_edge.errors import UsageError, unknown_name
from ensharpen_edge.training.losses.edge import laplacian, sobel
from ensharpen_edge.training.losses.frequency import dct, fft
from ensharpen_edge.training.losses.perceptual import PerceptualLoss
from ensharpen_edge.training.losses.pixel import charbonnier, l1, l2

Loss = Callable[[Tensor, Tensor, "Tensor | None"], Tensor]
"""(prediction, target, weight of each image or None) -> mean over the batch."""

LOSSES: dict[str, Loss] = {
    "l1": l1,
    "l2": l2,
    "charbonnier": charbonnier,
    "fft": fft,
    "dct": dct,
    "sobel": sobel,
    "laplacian": laplacian,
}
PERCEPTUAL = "perceptual"


@dataclass(frozen=True)
class LossTerm:
    """One term of the weighted sum.

    Attributes:
        kind: Name in `LOSSES`, or `perceptual`.
        weight: Factor in the sum.
        backbone: Network of the perceptual loss: a safetensors file of a VGG, or None for the network that ships.
    """

    kind: str
    weight: float = 1.0
    backbone: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in (*LOSSES, PERCEPTUAL):
            raise unknown_name("loss", self.kind, (*LOSSES, PERCEPTUAL))
        if not 0.0 <= self.weight < float("inf"):
            raise UsageError(f"the weight of loss {self.kind!r} must be a number from 0, got {self.weight}")

    def build(self) -> Loss:
        """The function."""
        if self.kind == PERCEPTUAL:
            return PerceptualLoss(Path(self.backbone) if self.backbone else None)
        return LOSSES[self.kind]
