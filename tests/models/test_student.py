from __future__ import annotations

import pytest
import torch

from ensharpen_edge.errors import UsageError
from ensharpen_edge.models.complexity import count_parameters, gmac_per_megapixel
from ensharpen_edge.models.config import BASE, NANO, SMALL, StudentConfig
from ensharpen_edge.models.folding import fold_branches
from ensharpen_edge.models.registry import MODELS, ModelRegistry
from ensharpen_edge.models.student import Student


@pytest.mark.parametrize("config", list(MODELS), ids=lambda c: c.name)
def test_untrained_student_returns_its_input(config):
    image = torch.rand(2, 3, 24, 40)
    with torch.no_grad():
        assert torch.equal(Student(config).eval()(image), image)


def test_output_is_clipped_only_when_not_training():
    student = Student(NANO)
    torch.nn.init.constant_(student.decoder.heads["sharpen"].bias, 2.0)
    image = torch.rand(1, 3, 8, 8)
    assert student.train()(image).max() > 1.5
    assert student.eval()(image).max() == 1.0


def test_the_residual_may_be_added_on_either_side_of_the_shuffle():
    """A shuffle only moves pixels, so the side is a question of speed: quality cannot depend on it."""
    student = Student(NANO).eval()
    torch.nn.init.normal_(student.decoder.heads["sharpen"].weight, std=0.02)
    image = torch.rand(1, 3, 32, 40)
    with torch.no_grad():
        residual = student.decoder(*student.encoder(student.unshuffle(image))[:3]).heads["sharpen"]
        after = image + student.shuffles["sharpen"](residual)
        assert residual.abs().max() > 0.01
        assert torch.equal(student.all_outputs(image).images["sharpen"], after)


@pytest.mark.parametrize("shape", [(8, 9), (12, 16), (1, 8)])
def test_sides_must_fit_the_stride(shape):
    with pytest.raises(UsageError, match="multiples of 8"):
        Student(NANO)(torch.rand(1, 3, *shape))


@pytest.mark.parametrize(
    ("config", "parameters", "gmac"), [(NANO, 98_876, 4.43), (SMALL, 445_164, 16.6), (BASE, 1_439_580, 49.7)]
)
def test_sizes_are_the_documented_ones(config, parameters, gmac):
    folded = fold_branches(Student(config))
    assert count_parameters(folded) == pytest.approx(parameters)
    assert gmac_per_megapixel(folded) == pytest.approx(gmac, rel=0.02)


def test_config_round_trips_and_refuses_nonsense():
    assert StudentConfig.from_dict(NANO.to_dict()) == NANO
    with pytest.raises(UsageError, match="unknown fields depth"):
        StudentConfig.from_dict({**NANO.to_dict(), "depth": 3})
    for field, value in (
        ("widths", [16.0, 32, 64]),
        ("expansion", 2.0),
        ("depths", [2, 2, 3, 2, 9999]),
        ("widths", [10**9] * 3),
    ):
        with pytest.raises(UsageError):
            StudentConfig.from_dict({**NANO.to_dict(), field: value})
    with pytest.raises(UsageError, match="dense kernels"):
        StudentConfig("x", (8, 8, 8), (1, 1, 1, 1, 1), dense=True)


def test_registry_suggests_and_protects():
    with pytest.raises(UsageError, match="Did you mean 'small'"):
        MODELS.get("smal")
    registry = ModelRegistry((NANO,))
    with pytest.raises(UsageError, match="already"):
        registry.add(NANO)
