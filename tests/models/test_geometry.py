from __future__ import annotations

import pytest
import torch

from ensharpen_edge.models.config import BASE, NANO, SMALL, StudentConfig
from ensharpen_edge.models.geometry import geometry
from ensharpen_edge.models.student import Student

TINY = StudentConfig("tiny", (4, 4, 4), (1, 0, 1, 0, 1))


def positive_student(config: StudentConfig) -> Student:
    """Weights and biases above zero, in training mode: no influence is cancelled, rectified or clipped away."""
    torch.manual_seed(0)
    student = Student(config).double().train()
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.abs_().add_(0.01)
    return student


def measured_radius(config: StudentConfig, size: int) -> int:
    """Farthest pixel with influence, found by gradients."""
    student = positive_student(config)
    radius = 0
    for offset in range(8):
        image = torch.rand(1, 3, 8, size, dtype=torch.float64, requires_grad=True)
        column = size // 2 // 8 * 8 + offset
        student(image)[0, :, 0, column].sum().backward()
        touched = image.grad.abs().sum(dim=(0, 1, 2)).nonzero().flatten()
        radius = max(radius, column - int(touched.min()), int(touched.max()) - column)
    return radius


@pytest.mark.parametrize(
    ("config", "size"), [(TINY, 96), (NANO, 256), (SMALL, 256), (BASE, 320)], ids=lambda v: str(v)[:24]
)
def test_receptive_radius_is_what_gradients_reach(config, size):
    assert geometry(config).receptive_radius == measured_radius(config, size)


@pytest.mark.parametrize("config", [TINY, NANO, SMALL], ids=lambda c: c.name)
@torch.no_grad()
def test_halo_is_enough_and_the_next_smaller_is_not(config):
    student = positive_student(config)
    halo = geometry(config).halo
    left = halo + 40
    assert left % 8 == 0
    image = torch.rand(1, 3, 16, 2 * left + 16, dtype=torch.float64)
    target = student(image)[..., left : left + 16]

    def error(context: int) -> float:
        window = image[..., left - context : left + 16 + context]
        kept = student(window)[..., context : context + 16]
        return float(((kept - target).abs() / target.abs()).max())

    assert error(halo) < 1e-13
    assert error(halo - 8) > 1e-11
