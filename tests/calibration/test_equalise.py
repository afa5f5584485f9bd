"""Equalisation leaves the network as it was, and its channels alike."""

from __future__ import annotations

import numpy as np
import pytest

from ensharpen_edge.calibration.collect import Observer, PhotoInput, all_tensors
from ensharpen_edge.calibration.degraded_crops import degraded_inputs
from ensharpen_edge.calibration.equalise import channel_peaks, equalised, find_scales
from ensharpen_edge.calibration.session import graph_run
from ensharpen_edge.export.proof.probes import parity_probes
from ensharpen_edge.models.config import StudentConfig


@pytest.fixture(scope="module")
def inputs(chosen):
    return list(degraded_inputs(chosen.photos, chosen.choices[:6], chosen.settings))


def spread(peaks) -> float:
    """Median over tensors of the largest channel relative to the median channel."""
    inner = [peak for name, peak in peaks.items() if "/" in name and "sharpen" not in name]
    return float(np.median([peak.max() / np.median(peak) for peak in inner]))


def test_the_network_stays_the_same_and_channels_become_alike(graph, inputs):
    before = channel_peaks(Observer(graph.model, names=all_tensors(graph.model)), inputs)
    scales = find_scales(graph.model, before)
    model = equalised(graph.model, scales)
    after = channel_peaks(Observer(model, names=all_tensors(model)), inputs)
    for name, peak in before.items():
        assert np.allclose(after[name], peak * scales.get(name, 1.0), rtol=1e-3, atol=1e-5), name
    assert spread(after) < 0.75 * spread(before)
    a, b = graph_run(graph.model), graph_run(model)
    assert max(np.abs(a(p.image) - b(p.image)).max() for p in parity_probes(64, 64)) < 1e-5


def test_what_reaches_the_image_is_not_scaled(graph, calibrated):
    fixed = ("image", "sharp", "/decoder/sharpen/Conv_output_0", "/Add_output_0", "/unshuffle/SpaceToDepth_output_0")
    assert not set(fixed) & set(calibrated.scales)
    assert len(calibrated.scales) > 50


@pytest.mark.parametrize(
    "options",
    [{"attention": "channel"}, {"attention": "block"}, {"upsampling": "transposed"}, {"upsampling": "bilinear"}],
    ids=str,
)
def test_networks_with_options_stay_the_same(options, inputs):
    import torch

    from ensharpen_edge.export.graph.onnx_graph import export_graph, simplify
    from ensharpen_edge.models.folding import fold_branches
    from ensharpen_edge.models.student import Student

    torch.manual_seed(0)
    config = StudentConfig("tiny", (8, 16, 24), (1, 1, 1, 1, 1), **options)
    model = simplify(export_graph(fold_branches(Student(config).eval())))
    rng = np.random.default_rng(0)
    image = rng.random((1, 3, 128, 64), dtype=np.float32)
    scales = find_scales(model, channel_peaks(Observer(model, names=all_tensors(model)), [PhotoInput("noise", image)]))
    assert scales
    before, after = graph_run(model)(image), graph_run(equalised(model, scales))(image)
    assert np.abs(before - after).max() < 1e-5
