"""Everything that decides the outcome of a quantization-aware training, as one frozen value."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ensharpen_edge.calibration.degraded_crops import training_mix
from ensharpen_edge.calibration.equalise import STRENGTH
from ensharpen_edge.calibration.qat.placement import Placement, find_placement
from ensharpen_edge.degrade.mixes import find_mix
from ensharpen_edge.errors import UsageError
from ensharpen_edge.models.config import StudentConfig
from ensharpen_edge.training.config import TrainConfig
from ensharpen_edge.training.curriculum import Stage

AS_TRAINED = "as trained"
"""Name for the degradations of the parent's card."""


@dataclass(frozen=True)
class QatConfig:
    """One run.

    Attributes:
        placement: Name of what is rounded; see `placement.PLACEMENTS`.
        steps: Length of the schedule.
        batch: Crops per step.
        crop: Their side in pixels.
        crops: Distinct crops; each is degraded, and answered by the float parent, once. They take 12 bytes a pixel of
            memory.
        learning_rate: Peak of the cosine for weights and biases.
        step_rate: The same for the logarithms of the steps between codes.
        warm_up: Steps of the linear rise.
        floor: Where the cosine ends, as a share of its peak.
        clip: Largest gradient norm of weights and biases together.
        ema: Decay of the average that is validated and shipped.
        tolerance: Mean squared error, of images in [0, 1], that is added to every denominator: photographs that the
            network leaves as they are would weigh more than all others without it.
        strength: Strength of the equalisation; see `equalise.STRENGTH`.
        percentile: Percentile of the magnitudes in a channel that equalisation makes alike, in per cent; extremes,
            which are a matter of chance, would decide otherwise.
        range_crops: Crops that the first steps between codes are fitted to.
        mix: Name of the degradations; see `degrade.mixes.MIXES`. None stands for those of the parent's card.
        seed: Seed of crops, degradations, and their order.
    """

    placement: str = "everything"
    steps: int = 6000
    batch: int = 8
    crop: int = 128
    crops: int = 8192
    learning_rate: float = 5e-4
    step_rate: float = 2e-3
    warm_up: int = 50
    floor: float = 0.01
    clip: float = 5.0
    ema: float = 0.999
    tolerance: float = 2e-4
    strength: float = STRENGTH
    percentile: float = 99.9
    range_crops: int = 256
    mix: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        find_placement(self.placement)
        if self.mix is not None:
            find_mix(self.mix)
        counts = {name: getattr(self, name) for name in ("steps", "batch", "crop", "crops", "range_crops")}
        if min(counts.values()) < 1:
            raise UsageError(f"quantization: {', '.join(counts)} must be at least 1, got {counts}")
        for name in ("learning_rate", "step_rate"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise UsageError(f"quantization: {name} must lie between 0 and 1, got {getattr(self, name)}")
        if not (0.0 <= self.floor <= 1.0 and 0.0 <= self.ema < 1.0 and 0.0 <= self.strength <= 1.0):
            raise UsageError(
                f"quantization: floor {self.floor}, ema {self.ema} and strength {self.strength} lie in 0 to 1"
            )
        if not (self.clip > 0.0 and self.tolerance > 0.0 and self.warm_up >= 0 and 50.0 < self.percentile <= 100.0):
            raise UsageError(
                f"quantization: clip {self.clip} and tolerance {self.tolerance} must be above 0, warm_up "
                f"{self.warm_up} not negative, percentile {self.percentile} above 50 to 100"
            )
        if not 0 <= self.seed < 2**63:
            raise UsageError(f"quantization: seed {self.seed} is out of range")

    @property
    def places(self) -> Placement:
        """The placement itself."""
        return find_placement(self.placement)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, for the state file and the card."""
        return dataclasses.asdict(self)


def crops_config(config: QatConfig, model: StudentConfig, training: Mapping[str, Any]) -> TrainConfig:
    """The run in the terms of ordinary training, as far as photographs, crops and degradations go.

    Its steps are the distinct crops, one each, so that the number of a crop decides what it holds.

    Args:
        config: The run.
        model: The parent's configuration.
        training: From the parent's card; its degradations are drawn from, unless the run has its own.

    Raises:
        UsageError: A crop that the network cannot take.
        BadInputError: The card's degradations are none.
    """
    settings = training.get("settings", {})
    name = config.mix or AS_TRAINED
    return TrainConfig(
        model,
        steps=config.crops,
        stages=(Stage(name, crop=config.crop, batch=1),),
        mixes={name: find_mix(config.mix) if config.mix else training_mix(training)},
        judge="mix" if settings.get("judge") == "mix" else "protocol",
        group=1,
        seed=config.seed,
    )
