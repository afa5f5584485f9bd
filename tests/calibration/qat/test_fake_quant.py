"""Rounding with gradients, and where it starts from."""

from __future__ import annotations

import math

import pytest
import torch

from ensharpen_edge.calibration.qat.channel_percentiles import channel_percentiles, equalised_by_percentile
from ensharpen_edge.calibration.qat.fake_quant import FakeQuantizer, rounded_weight, weight_codes, weight_steps
from ensharpen_edge.calibration.qat.graph_module import GraphModule
from ensharpen_edge.calibration.qat.initial_ranges import codes_of, set_initial_ranges
from ensharpen_edge.calibration.qat.objective import loss_terms
from ensharpen_edge.calibration.qat.placement import PLACEMENTS, Site
from ensharpen_edge.calibration.qat.quantized_graph import QuantizedGraph
from ensharpen_edge.errors import BadInputError

SIGNED, POSITIVE = Site("signed", False), Site("positive", True)


@pytest.fixture(scope="module")
def images(photo):
    pixels = torch.from_numpy(photo.copy()).permute(2, 0, 1).float() / 255.0
    return [torch.stack([pixels[:, y : y + 64, x : x + 64] for x in (0, 200, 400)]) for y in (0, 300)]


@pytest.mark.parametrize(("lowest", "highest"), [(-127, 127), (0, 127), (-31, 224)])
def test_values_and_gradients(lowest, highest):
    """Against the definition, written with detached parts and differentiated by torch in double precision."""
    values = (torch.randn(2, 5, 7, 9, generator=torch.Generator().manual_seed(1)) * 3).requires_grad_()
    quantizer = FakeQuantizer()
    quantizer.set_range(0.02, lowest, highest)
    slope = torch.randn(values.shape, generator=torch.Generator().manual_seed(2))
    rounded = quantizer(values)
    (rounded * slope).sum().backward()

    again = values.detach().double().requires_grad_()
    log_step = quantizer.log_step.detach().double().requires_grad_()
    inside = (again / log_step.exp()).clamp(lowest, highest)
    expected = log_step.exp() * (inside + (inside.round() - inside).detach())
    (expected * slope.double()).sum().backward()
    assert (rounded - expected).abs().max() < 1e-5
    assert torch.allclose(values.grad.double(), again.grad)
    assert quantizer.log_step.grad.item() == pytest.approx(log_step.grad.item(), rel=1e-3)
    assert (again.grad == 0).any()


def test_codes_that_begin_at_zero_are_a_relu():
    quantizer = FakeQuantizer()
    quantizer.set_range(0.01, 0, 127)
    values = torch.linspace(-1, 1, 101)
    assert torch.allclose(quantizer(values), values.clamp_min(0), atol=0.00501)


def test_weights_lie_on_the_grid_of_their_channel():
    weight = torch.randn(6, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    weight[2] = 0.0
    weight.requires_grad_()
    steps = weight_steps(weight)
    codes = weight_codes(weight, steps)
    assert torch.equal(codes.abs().amax(dim=(1, 2, 3)), torch.tensor([127.0, 127, 0, 127, 127, 127]))
    rounded = rounded_weight(weight)
    assert torch.allclose(rounded, codes * steps[:, None, None, None], atol=1e-6)
    rounded.sum().backward()
    assert torch.equal(weight.grad, torch.ones_like(weight))


def test_codes_span_the_range():
    symmetric, free = PLACEMENTS["everything"], PLACEMENTS["everything asymmetric"]
    assert codes_of(-2.0, 1.0, SIGNED, symmetric) == (pytest.approx(2 / 127), -127, 127)
    assert codes_of(0.0, 1.0, POSITIVE, symmetric) == (pytest.approx(1 / 127), 0, 127)
    assert codes_of(-2.0, 1.0, SIGNED, free) == (pytest.approx(3 / 255), -170, 85)
    assert codes_of(0.0, 1.0, POSITIVE, free) == (pytest.approx(1 / 255), 0, 255)


@pytest.mark.parametrize("placement", ["everything", "everything asymmetric", "convolutions"])
def test_first_ranges_beat_the_extremes(float_graph, images, placement):
    network = QuantizedGraph(float_graph, PLACEMENTS[placement]).eval()
    set_initial_ranges(network, images)
    seen: dict[str, torch.Tensor] = {}
    with torch.no_grad(), network.exactly():
        plain = network(torch.cat(images), seen.__setitem__)
    for site in network.placed.sites:
        values, quantizer = seen[site.tensor], network.quantizer(site.tensor)
        step, *ends = codes_of(min(0.0, float(values.min())), float(values.max()), site, network.placed.placement)
        widest = FakeQuantizer()
        widest.set_range(step, *ends)
        with torch.no_grad():
            fitted, usual = ((rounding(values) - values).square().mean() for rounding in (quantizer, widest))
        assert fitted <= 1.001 * usual, site.tensor
        assert quantizer.log_step == quantizer.first_log_step
    with torch.no_grad():
        assert -10 * math.log10((network(torch.cat(images)) - plain).square().mean()) > 35.0


def test_a_dead_tensor_is_named(float_graph):
    network = QuantizedGraph(float_graph, PLACEMENTS["everything"])
    with torch.no_grad():
        for name in ("encoder.stem.weight", "encoder.stem.bias"):
            network.tensor(name).zero_()
    with pytest.raises(BadInputError, match="/encoder/stem/Conv_output_0 lies between 0 and 0"):
        set_initial_ranges(network, [torch.rand(1, 3, 32, 32)])


def test_equalisation_by_percentile_keeps_the_network(float_graph, images):
    floats = GraphModule(float_graph).eval()
    alike = GraphModule(equalised_by_percentile(float_graph, floats, images, 99.9, 0.75)).eval()
    name = "/encoder/level2/level2.0/Add_output_0"
    spread = [
        float(peaks.max() / sorted(peaks)[len(peaks) // 2])
        for peaks in (channel_percentiles(network, images, 99.9)[name] for network in (floats, alike))
    ]
    assert spread[1] < spread[0]
    with torch.no_grad():
        assert (floats(images[0]) - alike(images[0])).abs().max() < 1e-5


def test_percentiles_leave_the_rarest_values_out(float_graph):
    image = torch.full((1, 3, 64, 64), 0.25)
    image[0, 0, 5, 5] = 1.0
    peaks = channel_percentiles(GraphModule(float_graph).eval(), [image], 99.9)["image"]
    assert peaks.tolist() == [0.25, 0.25, 0.25]


def test_the_objective_counts_images_alike():
    truth = torch.zeros(2, 3, 8, 8)
    parent = torch.stack([torch.full((3, 8, 8), 0.01), torch.full((3, 8, 8), 0.2)])
    same = loss_terms(parent, parent, truth, 2e-4)
    assert same["parent"] == 0.0
    assert same["truth"].abs() < 1e-6
    perfect = loss_terms(truth, parent, truth, 2e-4)
    assert float(perfect["parent"]) == pytest.approx((1e-4 / 3e-4 + 0.04 / 0.0402) / 2, rel=1e-4)
    assert float(perfect["truth"]) == pytest.approx((math.log(2e-4 / 3e-4) + math.log(2e-4 / 0.0402)) / 2, rel=1e-4)
