from __future__ import annotations

import pytest
import torch

from ensharpen_edge.models.blocks import BranchedDepthwiseConv
from ensharpen_edge.models.config import NANO, SMALL
from ensharpen_edge.models.folding import fold_branches, merge_separable
from ensharpen_edge.models.student import Student


def randomised(config) -> Student:
    """A student whose every parameter matters, the zero-initialised ones too."""
    torch.manual_seed(1)
    student = Student(config).eval()
    with torch.no_grad():
        for name, parameter in student.named_parameters():
            if "edge_gain" in name or "head" in name or name.endswith("bias"):
                parameter.normal_(std=0.1)
    return student


@pytest.mark.parametrize("config", [NANO, SMALL], ids=lambda c: c.name)
@torch.no_grad()
def test_folding_branches_is_bit_exact(config):
    student = randomised(config)
    image = torch.rand(1, 3, 64, 88)
    folded = fold_branches(student)
    assert not any(isinstance(m, BranchedDepthwiseConv) for m in folded.modules())
    assert not folded.config.branches
    assert torch.equal(folded(image), student(image))
    assert torch.equal(fold_branches(folded)(image), folded(image))


@torch.no_grad()
def test_branches_equal_their_sum_of_convolutions():
    torch.manual_seed(0)
    layer = BranchedDepthwiseConv(5)
    layer.edge_gain.data.normal_()
    x = torch.rand(2, 5, 9, 11)
    convolve = torch.nn.functional.conv2d
    parts = convolve(x, layer.weight, padding=1, groups=5) + convolve(x, layer.point, groups=5)
    for index in range(3):
        edge = layer.edges[index].repeat(5, 1, 1, 1)
        parts = parts + convolve(x, edge, padding=1, groups=5) * layer.edge_gain[:, index].view(1, 5, 1, 1)
    assert torch.allclose(layer(x), parts + layer.bias.view(1, 5, 1, 1), atol=1e-5)


@torch.no_grad()
def test_merging_separable_pairs_is_exact_to_rounding():
    student = randomised(NANO)
    dense = merge_separable(student)
    image = torch.rand(1, 3, 72, 64)
    assert dense.config.dense
    assert (dense(image) - student(image)).abs().max() < 1e-5
    assert merge_separable(dense) is not None
