"""The weighted sum that is minimised: the truth, the teacher, smaller scales, the estimate, the discriminator."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ensharpen_edge.models.estimator import BLUR_UNIT, NOISE_UNIT
from ensharpen_edge.models.student import Outputs, Student
from ensharpen_edge.training.batches import Batch
from ensharpen_edge.training.config import TrainConfig
from ensharpen_edge.training.distillation.confidence import removed_share
from ensharpen_edge.training.distillation.features import FeatureAdapter, bottleneck_channels
from ensharpen_edge.training.distillation.teacher import CheckpointTeacher, OnnxTeacher
from ensharpen_edge.training.losses.pixel import charbonnier

SHARPEN = "sharpen"
AUTOCAST = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
"""Types of the arithmetic, by precision."""


class Objective(nn.Module):
    """Computes the terms of a step. Its own parameters, the feature adapter, are trained along with the network.

    Args:
        config: The run.
        network: To be trained.
        teacher: Answers during training, or None.
    """

    def __init__(
        self, config: TrainConfig, network: Student, teacher: CheckpointTeacher | OnnxTeacher | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self.terms = [(term.kind, term.weight, term.build()) for term in config.losses]
        # Registered, so that a perceptual network moves to the device with the objective.
        self.networks = nn.ModuleList(loss for _, _, loss in self.terms if isinstance(loss, nn.Module))
        self._teacher = (teacher,)  # in a tuple, so that the teacher is no part of this module's state
        self.adapter: FeatureAdapter | None = None
        if config.distillation and config.distillation.features and isinstance(teacher, CheckpointTeacher):
            self.adapter = FeatureAdapter(
                bottleneck_channels(network, network.config.total_stride),
                bottleneck_channels(teacher.network, teacher.network.config.total_stride),
            )

    def trained_modules(self) -> dict[str, nn.Module]:
        """Return the modules that are trained besides the network."""
        return {} if self.adapter is None else {"adapter": self.adapter}

    def forward(self, batch: Batch, outputs: Outputs) -> dict[str, Tensor]:
        """Weighted terms by name; their sum is the loss."""
        answer, trust = self._teacher_answer(batch)
        truth = batch.known * (1.0 - trust)
        terms: dict[str, Tensor] = {}
        for head, target in batch.targets.items():
            prediction = outputs.images[head].float()
            suffix = "" if head == SHARPEN else f" {head}"
            weight = truth if head == SHARPEN else batch.known
            for kind, factor, loss in self.terms:
                value = factor * loss(prediction, target, weight)
                name = kind + suffix
                terms[name] = terms[name] + value if name in terms else value
        if answer is not None:
            terms["teacher"] = charbonnier(outputs.images[SHARPEN].float(), answer, trust)
        terms |= self._scales(batch, outputs) | self._estimate(batch, outputs) | self._features(batch, outputs)
        return terms

    def _teacher_answer(self, batch: Batch) -> tuple[Tensor | None, Tensor]:
        """Return the teacher's images, and how much of each image's loss they are given, (N,) in [0, 1]."""
        wanted, teacher = self.config.distillation, self._teacher[0]
        nothing = torch.zeros_like(batch.known)
        if wanted is None or not wanted.response:
            return None, nothing
        answer, answered = batch.teacher, batch.labelled
        if teacher is not None:
            # Where labels have an answer already, it counts: two teachers can share the work.
            open_ones = answered == 0
            answer = torch.zeros_like(batch.degraded) if answer is None else answer.clone()
            if open_ones.any():
                answer[open_ones] = self._ask(teacher, batch.degraded[open_ones]).to(answer.dtype)
            answered = torch.ones_like(batch.known)
        if answer is None:
            return None, nothing
        trust = wanted.response * answered
        if wanted.confidence:
            trust = trust * removed_share(answer, batch.degraded, batch.targets[SHARPEN])
        # Without a truth to compare with, the teacher is all there is.
        return answer, torch.where(batch.known > 0, trust, answered)

    def _ask(self, teacher: CheckpointTeacher | OnnxTeacher, images: Tensor) -> Tensor:
        """Return the teacher's answer, computed in the run's precision: its weights are no better than that."""
        kind = AUTOCAST.get(self.config.precision)
        with torch.autocast(images.device.type, dtype=kind, enabled=kind is not None):
            return teacher(images.clamp(0.0, 1.0))

    def _scales(self, batch: Batch, outputs: Outputs) -> dict[str, Tensor]:
        if not outputs.scales or SHARPEN not in batch.targets:
            return {}
        losses = [
            charbonnier(image.float(), F.avg_pool2d(batch.targets[SHARPEN], factor), batch.known)
            for factor, image in outputs.scales.items()
        ]
        return {"scales": self.config.multiscale * torch.stack(losses).sum()}

    def _estimate(self, batch: Batch, outputs: Outputs) -> dict[str, Tensor]:
        if outputs.estimate is None:
            return {}
        wanted = torch.stack([batch.blur / BLUR_UNIT, batch.noise / NOISE_UNIT], dim=1)[:, :, None, None]
        known = torch.isfinite(wanted)
        difference = (outputs.estimate.float() - torch.where(known, wanted, 0.0)).abs() * known
        return {"estimate": self.config.estimator * difference.mean()}

    def _features(self, batch: Batch, outputs: Outputs) -> dict[str, Tensor]:
        teacher = self._teacher[0]
        if self.adapter is None or not isinstance(teacher, CheckpointTeacher) or self.config.distillation is None:
            return {}
        distance = self.adapter(outputs.features.float(), teacher.features(batch.degraded.clamp(0.0, 1.0)))
        return {"features": self.config.distillation.features * distance}
