"""The roofline: what counts as work, and that layers add up to the network."""

from __future__ import annotations

import json

import pytest

from ensharpen_edge.benchmarks.speed.operator_times import NodeTime
from ensharpen_edge.benchmarks.speed.roofline import CODES, DENSE, DEPTHWISE, FLOAT, POINTWISE, Peaks, _roof
from ensharpen_edge.models.checkpoint import find_checkpoint
from ensharpen_edge.models.complexity import gmac_per_megapixel
from ensharpen_edge.models.folding import fold_branches

pytestmark = pytest.mark.slow

PEAKS = Peaks(
    1,
    {(kind, n): rate for n in (FLOAT, CODES) for kind, rate in ((DENSE, 40.0), (POINTWISE, 30.0), (DEPTHWISE, 10.0))},
    20.0,
)


@pytest.mark.parametrize(
    ("kernel", "kind", "gmacs"),
    [
        ((32, 16, 3, 3), DENSE, 64 * 64 * 32 * 16 * 9 / 1e9),
        ((32, 16, 1, 1), POINTWISE, 64 * 64 * 32 * 16 / 1e9),
        ((32, 1, 3, 3), DEPTHWISE, 64 * 64 * 32 * 9 / 1e9),
    ],
)
def test_work_of_convolutions(kernel, kind, gmacs):
    node = NodeTime("n", "Conv", 1.0, ((1, kernel[1], 64, 64), kernel, (32,)), ((1, 32, 64, 64),), 500_000)
    roof = _roof(node, PEAKS)
    assert (roof.kind, roof.numbers) == (kind, FLOAT)
    assert roof.gmacs == pytest.approx(gmacs)
    assert roof.attainable == pytest.approx(max(1000 * gmacs / PEAKS.rates[kind, FLOAT], roof.megabytes / 20.0))


def test_moving_bytes_is_limited_by_the_bandwidth():
    node = NodeTime("n", "Add", 1.0, ((1, 16, 64, 64), (1, 16, 64, 64)), ((1, 16, 64, 64),), 3 * 4 * 16 * 64 * 64)
    roof = _roof(node, PEAKS)
    assert (roof.kind, roof.gmacs) == ("Add", 0.0)
    assert roof.attainable == pytest.approx(3 * 4 * 16 * 64 * 64 / 1e6 / 20.0)
    assert roof.share == pytest.approx(roof.attainable)


def test_the_layers_are_the_network(command, artifact):
    done = command("ensharpen-bench", "roofline", artifact.path, "--size", 128, "--rounds", 3, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    folded = fold_branches(find_checkpoint("nano").network)
    known = gmac_per_megapixel(folded) * 128 * 128 / 1e6
    work = sum(layer["gmacs"] for layer in report["layers"])
    assert known <= work <= 1.1 * known, "the stem's 12 channels are padded to a block of 16"
    assert {peak["kind"] for peak in report["peaks"]} == {DENSE, POINTWISE, DEPTHWISE}
    assert all(peak["gmacs"] > 0.1 for peak in report["peaks"])
    assert 0.02 < report["attainable"] / report["milliseconds"] < 3
    table = command("ensharpen-bench", "roofline", artifact.path, "--size", 64, "--rounds", 1)
    assert "whole network" in table.stdout
