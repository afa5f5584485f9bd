from __future__ import annotations

import dataclasses

import pytest
import torch

from ensharpen_edge.errors import UsageError
from ensharpen_edge.models.checkpoint import find_checkpoint
from ensharpen_edge.models.config import BASE, NANO, SMALL
from ensharpen_edge.models.growth import grow
from ensharpen_edge.models.student import Student

DENSE = dataclasses.replace(BASE, name="dense", branches=False, dense=True)


@pytest.fixture(scope="module")
def nano():
    return find_checkpoint("nano").network


@pytest.mark.parametrize("config", [SMALL, BASE, DENSE], ids=lambda config: config.name)
def test_a_grown_student_starts_as_the_trained_one(nano, config, photo):
    image = torch.from_numpy(photo[:96, :96].copy()).permute(2, 0, 1)[None] / 255.0
    with torch.no_grad():
        assert torch.allclose(grow(nano, config).eval()(image), nano(image), atol=2e-6)


@pytest.mark.parametrize("option", [{"upsampling": "transposed"}, {"attention": "block"}, {"windows": 1}], ids=str)
def test_options_grow_exactly_or_are_refused(option):
    torch.manual_seed(0)
    small = dataclasses.replace(NANO, name="s", widths=(8, 16, 32), **option)
    source = Student(small).eval()
    with torch.no_grad():
        for parameter in source.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    larger = dataclasses.replace(small, name="l", widths=(12, 24, 48), depths=(3, 2, 4, 2, 2))
    if small.windows:
        with pytest.raises(UsageError, match="32 channels"):
            grow(source, larger)
        larger = dataclasses.replace(larger, widths=(12, 24, 32))
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(grow(source, larger).eval()(image), source(image), atol=2e-6)


def test_every_new_weight_is_reached_within_two_steps(nano):
    """Zeros on both sides of a new channel would never learn."""
    torch.manual_seed(0)
    grown = grow(nano, SMALL).train()
    optimizer = torch.optim.SGD(grown.parameters(), lr=1e-3)
    image, target = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)
    for _ in range(2):
        optimizer.zero_grad()
        ((grown(image) - target) ** 2).mean().backward()
        optimizer.step()
    old = nano.state_dict()
    for name, parameter in grown.named_parameters():
        if name in old and parameter.shape != old[name].shape:
            rows = old[name].shape[0]
            parts = [parameter.grad[rows:]] + (
                [parameter.grad[:rows, old[name].shape[1] :]] if parameter.dim() > 1 else []
            )
            assert all(part.abs().sum() > 0 for part in parts if part.numel()), name


def test_other_heads_start_at_zero(nano):
    grown = grow(nano, dataclasses.replace(NANO, name="clean", heads=("denoise",))).eval()
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(grown(image), image)


def test_an_estimator_that_is_new_changes_nothing_yet(nano):
    grown = grow(nano, dataclasses.replace(NANO, name="told", estimator=True)).eval()
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(grown(image), nano(image))
    with pytest.raises(UsageError, match="differ in estimator"):
        grow(grown, NANO)


def test_what_does_not_fit_is_refused(nano):
    with pytest.raises(UsageError, match="smaller"):
        grow(grow(nano, SMALL), NANO)
    with pytest.raises(UsageError, match="differ in attention"):
        grow(nano, dataclasses.replace(SMALL, attention="block"))
    dense = grow(nano, dataclasses.replace(NANO, name="d", branches=False, dense=True))
    with pytest.raises(UsageError, match="differ in dense"):
        grow(dense, SMALL)


def test_dense_kernels_leave_the_separable_ones(nano):
    """A merged kernel is an outer product; a step of training makes it more, for which it has room."""
    torch.manual_seed(0)
    dense = grow(nano, dataclasses.replace(NANO, name="d", branches=False, dense=True)).train()
    expand = dense.encoder.bottleneck[0].expand.weight

    def rank_above_one() -> float:
        """Largest second singular value among the input channels' (outputs x 9) kernels, relative to the first."""
        values = torch.linalg.svdvals(expand.detach().permute(1, 0, 2, 3).flatten(2))
        return float((values[:, 1] / values[:, 0]).max())

    assert rank_above_one() < 1e-5
    image, target = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)
    ((dense(image) - target) ** 2).mean().backward()
    torch.optim.Adam(dense.parameters(), lr=1e-3).step()
    assert rank_above_one() > 1e-3
