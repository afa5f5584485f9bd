from __future__ import annotations

import dataclasses

import pytest
import torch

from ensharpen_edge.models.config import BASE, NANO, SMALL, StudentConfig
from ensharpen_edge.models.geometry import geometry
from ensharpen_edge.models.student import Student

TINY = StudentConfig("tiny", (4, 4, 4), (1, 0, 1, 0, 1))
OPTIONS = [
    dataclasses.replace(TINY, name="bilinear", upsampling="bilinear"),
    dataclasses.replace(TINY, name="nearest", upsampling="nearest"),
    dataclasses.replace(TINY, name="transposed", upsampling="transposed"),
    dataclasses.replace(TINY, name="spatial", attention="spatial"),
    dataclasses.replace(TINY, name="block", attention="block"),
    dataclasses.replace(TINY, name="windows", windows=1),
    dataclasses.replace(TINY, name="estimator", estimator=True),
    dataclasses.replace(TINY, name="all", upsampling="bilinear", attention="block", windows=1, estimator=True),
]


def positive_student(config: StudentConfig) -> Student:
    """Weights and biases above zero, in training mode: no influence is cancelled, rectified or clipped away."""
    torch.manual_seed(0)
    student = Student(config).double().train()
    with torch.no_grad():
        for name, parameter in student.named_parameters():
            # A sigmoid far from zero has no slope that survives rounding, so what leads to one stays small.
            small = "gate" in name or "qkv" in name
            parameter.abs_().add_(0.01).mul_(1e-4 if small else 1.0)
    return student


def measured_radius(config: StudentConfig, size: int) -> int:
    """Farthest pixel with influence, found by gradients."""
    student = positive_student(config)
    radius, stride = 0, config.total_stride
    for offset in range(stride):
        image = torch.rand(1, 3, stride, size, dtype=torch.float64, requires_grad=True)
        column = size // 2 // stride * stride + offset
        student(image)[0, :, 0, column].sum().backward()
        touched = image.grad.abs().sum(dim=(0, 1, 2)).nonzero().flatten()
        radius = max(radius, column - int(touched.min()), int(touched.max()) - column)
    return radius


@pytest.mark.parametrize(
    ("config", "size"),
    [(TINY, 96), (NANO, 256), (SMALL, 256), (BASE, 320), *((config, 448) for config in OPTIONS)],
    ids=lambda v: getattr(v, "name", ""),
)
def test_receptive_radius_is_what_gradients_reach(config, size):
    assert geometry(config).receptive_radius == measured_radius(config, size)


@pytest.mark.parametrize("config", [TINY, NANO, SMALL, *OPTIONS], ids=lambda c: c.name)
@torch.no_grad()
def test_halo_is_enough_and_the_next_smaller_is_not(config):
    student = positive_student(config)
    halo, stride = geometry(config).halo, config.total_stride
    left, tile = halo + 5 * stride, 2 * stride
    image = torch.rand(1, 3, stride, 2 * left + tile, dtype=torch.float64)
    target = student(image)[..., left : left + tile]

    def error(context: int) -> float:
        window = image[..., left - context : left + tile + context]
        kept = student(window)[..., context : context + tile]
        return float(((kept - target).abs() / target.abs()).max())

    assert error(halo) < 1e-13
    assert error(halo - stride) > 1e-11


def test_a_gate_over_the_whole_frame_is_not_tile_exact():
    assert not geometry(dataclasses.replace(TINY, attention="channel")).tile_exact
    assert geometry(TINY).tile_exact
