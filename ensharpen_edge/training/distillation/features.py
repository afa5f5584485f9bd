"""Feature distillation: the student's bottleneck should see what the teacher's sees."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class FeatureAdapter(nn.Module):
    """1x1 convolution from the student's channels to the teacher's; trained along, dropped afterwards.

    After Romero et al., FitNets: hints for thin deep nets, 2015. The teacher's features are divided by their own
    standard deviation, so the loss does not depend on their scale, and brought to the student's resolution.
    """

    def __init__(self, student_channels: int, teacher_channels: int) -> None:
        super().__init__()
        self.adapt = nn.Conv2d(student_channels, teacher_channels, 1)

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Mean absolute difference of features (N, Cs, H, W) and (N, Ct, H', W')."""
        teacher = teacher / teacher.std().clamp(min=1e-6)
        if teacher.shape[-2:] != student.shape[-2:]:
            teacher = F.interpolate(teacher, size=student.shape[-2:], mode="bilinear", align_corners=False)
        adapted: Tensor = self.adapt(student)
        return (adapted - teacher.detach()).abs().mean()


def bottleneck_channels(network: nn.Module, stride: int) -> int:
    """Return the channels of a network's bottleneck features, found by running it once."""
    device = next(network.parameters()).device
    with torch.no_grad():
        features: Tensor = network.bottleneck(torch.zeros(1, 3, stride, stride, device=device))  # type: ignore[operator]
    return features.shape[1]
