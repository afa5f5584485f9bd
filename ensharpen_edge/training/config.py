"""Everything that decides the outcome of a run, as one frozen value."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Literal

from ensharpen_edge.degrade.mix import DegradationMix
from ensharpen_edge.degrade.mixes import MIXES
from ensharpen_edge.errors import UsageError, unknown_name
from ensharpen_edge.models.config import HEAD_SCALES, StudentConfig
from ensharpen_edge.training.curriculum import Stage
from ensharpen_edge.training.losses.adversarial import AdversarialConfig
from ensharpen_edge.training.losses.registry import PERCEPTUAL, LossTerm

Precision = Literal["32-true", "16-mixed", "bf16-mixed"]
Judge = Literal["protocol", "mix"]


@dataclass(frozen=True)
class DistillationConfig:
    """Distillation: the teacher that is learnt from, and how.

    Attributes:
        teacher: Name or path of the teacher that answers during training, or None when only labels are used.
        labels: Folder of labels made beforehand, possibly by another teacher, or None.
        labelled: Share of each batch that is taken from the labels.
        response: Weight of the loss against the teacher's image; the loss against the truth keeps the rest of 1.
        features: Weight of the loss between bottleneck features, through a 1x1 adapter.
        confidence: Weigh the teacher's answer for each image by the share of the degradation that it removed, so that
            images it fails on teach nothing.
    """

    teacher: str | None = None
    labels: str | None = None
    labelled: float = 0.25
    response: float = 0.5
    features: float = 0.0
    confidence: bool = True

    def __post_init__(self) -> None:
        if self.teacher is None and self.labels is None:
            raise UsageError("distillation needs a teacher, or labels made by one")
        if not 0.0 <= self.labelled <= 1.0 or not 0.0 <= self.response <= 1.0 or not self.features >= 0.0:
            raise UsageError("distillation: labelled and response lie in 0 to 1, features is not negative")
        if self.features and self.teacher is None:
            raise UsageError("feature distillation needs the teacher itself: labels hold images only")
        if self.features and str(self.teacher).endswith(".onnx"):
            raise UsageError(
                f"{self.teacher}: an ONNX teacher shows no features", hint="set features to 0, or use a checkpoint"
            )


@dataclass(frozen=True)
class TrainConfig:
    """One run.

    Attributes:
        model: The network.
        start: Shipped model, or path of a checkpoint, that the network grows from (see `models.growth`), or None for
            fresh weights.
        steps: Length of the schedule; 0 lets `minutes` decide.
        minutes: Length of the schedule in time: a short timing at the start turns it into steps, which are kept
            from then on, so that a resumed run follows the same schedule.
        stages: The curriculum.
        mixes: Degradations of the recipe's own, by name.
        losses: Terms of the weighted sum against the truth.
        multiscale: Weight of each auxiliary scale's Charbonnier loss, for a model with `multiscale`.
        estimator: Weight of the degradation estimate's loss, for a model with `estimator`.
        distillation: The teacher that is learnt from, or None.
        adversarial: The adversarial term, or None.
        learning_rate: Peak of the cosine.
        warm_up: Steps of its linear rise.
        weight_decay, clip: AdamW decay; largest gradient norm.
        ema: Decay of the weight average that is validated and shipped.
        precision: Precision of the arithmetic; weights and averages are float32.
        judge: Degradations of the held-out photographs: `protocol` (soft lenses and some shake, for every run alike),
            or the last stage's own `mix`. Networks whose first task is not `sharpen` are always judged by their mix.
        group: Crops that one random generator serves. The batch is made of such groups, and the processes of a
            distributed run share them out, so the data do not depend on their number (shards apart).
        seed: Seed of weights, crops and degradations.
    """

    model: StudentConfig
    start: str | None = None
    steps: int = 0
    minutes: float = 0.0
    stages: tuple[Stage, ...] = (Stage(),)
    mixes: dict[str, DegradationMix] = field(default_factory=dict)
    losses: tuple[LossTerm, ...] = (LossTerm("charbonnier"),)
    multiscale: float = 0.1
    estimator: float = 0.01
    distillation: DistillationConfig | None = None
    adversarial: AdversarialConfig | None = None
    learning_rate: float = 2e-3
    warm_up: int = 200
    weight_decay: float = 1e-4
    clip: float = 1.0
    ema: float = 0.999
    precision: Precision = "32-true"
    judge: Judge = "protocol"
    group: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.steps > 0) == (self.minutes > 0):
            raise UsageError("give either a number of steps or of minutes")
        if not math.isfinite(self.minutes) or self.minutes < 0 or self.steps < 0:
            raise UsageError(f"the length of a run must be finite, got {self.steps} steps, {self.minutes} minutes")
        if not 0.0 < self.learning_rate < 1.0:
            raise UsageError(f"learning rate must lie between 0 and 1, got {self.learning_rate}")
        if not 0.0 <= self.ema < 1.0:
            raise UsageError(f"the decay of the average must lie in 0 to below 1, got {self.ema}")
        if self.group < 1 or self.warm_up < 0 or not 0 <= self.seed < 2**63:
            raise UsageError(f"group {self.group}, warm_up {self.warm_up} or seed {self.seed} is out of range")
        if not self.clip > 0.0 or min(self.weight_decay, self.multiscale, self.estimator) < 0.0:
            raise UsageError("clip must be above 0; weight_decay, multiscale and estimator must not be negative")
        if not self.stages or not self.losses:
            raise UsageError("a run needs at least one stage and one loss")
        if self.stages[-1].depth != 1.0:
            raise UsageError(f"the last stage must run all blocks, got depth {self.stages[-1].depth}: they are shipped")
        for stage in self.stages:
            if stage.mix not in self.known_mixes:
                raise unknown_name("mix", stage.mix, self.known_mixes)
            if stage.crop % self.model.total_stride:
                raise UsageError(f"crop must be a multiple of {self.model.total_stride}, got {stage.crop}")
        if (self.distillation or self.adversarial) and "sharpen" not in self.model.heads:
            raise UsageError("teachers and discriminators judge sharpened images: the network needs the head `sharpen`")
        if self.distillation and self.scale != 1:
            raise UsageError("distillation is for networks that keep the size: a teacher returns no larger images")
        smallest = min(stage.crop for stage in self.stages)
        if any(term.kind == PERCEPTUAL for term in self.losses) and smallest < 32:
            raise UsageError(f"the perceptual loss needs crops of at least 32 pixels, got {smallest}")
        if self.distillation and self.distillation.labels and self.model.heads != ("sharpen",):
            raise UsageError("labels hold sharpened images only: the network must have the one head `sharpen`")

    @property
    def known_mixes(self) -> dict[str, DegradationMix]:
        """The recipe's mixes and those of the library."""
        return {**MIXES, **self.mixes}

    @property
    def judging_mix(self) -> DegradationMix | None:
        """That held-out photographs are degraded by, or None for the protocol."""
        by_mix = self.judge == "mix" or self.model.heads[0] != "sharpen"
        return self.known_mixes[self.stages[-1].mix] if by_mix else None

    @property
    def scale(self) -> int:
        """How much smaller than the sharp crop the network's input is: the largest enlargement of its tasks."""
        return max(HEAD_SCALES[head] for head in self.model.heads)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types, for the state file and the card."""
        return {**dataclasses.asdict(self), "model": self.model.to_dict()}
