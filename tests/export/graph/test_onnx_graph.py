"""The ONNX graph: single-operator shuffles, the wanted opset, static and free sizes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator

from ensharpen_edge.calibration.session import graph_run
from ensharpen_edge.errors import ParityError, UsageError
from ensharpen_edge.export.graph.depth_order import DepthToSpace, SpaceToDepth, depth_order, to_depth_order
from ensharpen_edge.export.graph.half_precision import rounded_run, to_half
from ensharpen_edge.export.graph.onnx_graph import INPUT, check_graph, export_graph, simplify
from ensharpen_edge.models.checkpoint import find_checkpoint
from ensharpen_edge.models.folding import fold_branches, merge_separable
from ensharpen_edge.models.student_network import StudentNetwork


@pytest.fixture(scope="module")
def folded():
    return fold_branches(find_checkpoint("nano").network)


@pytest.fixture(scope="module")
def graph(folded):
    return simplify(export_graph(folded))


def operators(model: onnx.ModelProto) -> Counter:
    return Counter(node.op_type for node in model.graph.node)


def test_shuffles_are_single_operators(graph):
    counts = operators(graph)
    assert counts["SpaceToDepth"] == 1
    assert counts["DepthToSpace"] == 3
    assert set(counts) <= {"Conv", "Relu", "Add", "Clip", "Constant", "SpaceToDepth", "DepthToSpace"}
    modes = {a.s for n in graph.graph.node if n.op_type == "DepthToSpace" for a in n.attribute if a.name == "mode"}
    assert modes == {b"DCR"}


def test_opset_and_names(graph):
    assert [(entry.domain, entry.version) for entry in graph.opset_import] == [("", 17)]
    names = [node.name for node in graph.graph.node if node.op_type == "Conv"]
    assert "/encoder/stem/Conv" in names
    assert len(set(names)) == len(names) == 39
    dims = graph.graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_param or d.dim_value for d in dims] == [1, 3, "height", "width"]


def test_stray_operators_are_named(folded):
    buffer = onnx.helper.make_model(
        onnx.helper.make_graph([onnx.helper.make_node("Reshape", ["a", "b"], ["c"])], "g", [], [])
    )
    with pytest.raises(ParityError, match="Reshape"):
        check_graph(buffer)


def test_depth_order_renames_channels_only(folded):
    image = torch.rand(1, 3, 40, 56)
    with torch.no_grad():
        assert (to_depth_order(folded)(image) - folded(image)).abs().max() < 1e-6
        features = torch.rand(2, 12, 4, 6)
        shuffled = torch.nn.functional.pixel_shuffle(features, 2)
        assert torch.equal(DepthToSpace(2)(features[:, depth_order(12, 2)]), shuffled)
        assert torch.equal(SpaceToDepth(2)(shuffled), features[:, depth_order(12, 2)])


@pytest.mark.parametrize("shape", [(8, 8), (64, 200), (128, 40)])
def test_dynamic_graph_computes_the_network_at_any_size(folded, graph, shape):
    image = np.random.default_rng(0).random((1, 3, *shape), dtype=np.float32)
    assert np.abs(graph_run(graph)(image) - StudentNetwork(folded).run(image)).max() < 1e-5


def test_static_graph_states_its_size(folded):
    static = simplify(export_graph(folded, (64, 96)))
    dims = static.graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_value for d in dims] == [1, 3, 64, 96]


def test_dense_form_exports_too(folded):
    dense = merge_separable(folded)
    graph = simplify(export_graph(dense))
    image = np.random.default_rng(1).random((1, 3, 64, 64), dtype=np.float32)
    assert operators(graph)["Conv"] == 39 - 11
    assert np.abs(graph_run(graph)(image) - StudentNetwork(folded).run(image)).max() < 1e-5


def test_half_precision_really_rounds(folded, graph):
    half = to_half(graph)
    assert {i.data_type for i in half.graph.initializer} == {onnx.TensorProto.FLOAT16}
    assert len(half.SerializeToString()) < 0.6 * len(graph.SerializeToString())
    image = np.random.default_rng(0).random((1, 3, 64, 64), dtype=np.float32)
    exact, rounded = StudentNetwork(folded).run(image), rounded_run(half)(image)
    assert 1e-5 < np.abs(rounded - exact).max() < 5e-3
    (defined,) = ReferenceEvaluator(half).run(None, {INPUT: image})
    costs = [float(np.mean((output - exact) ** 2)) for output in (rounded, defined)]
    assert costs[0] == pytest.approx(costs[1], rel=0.25), "numpy's half precision loses as much, in other places"


def test_only_known_kinds_of_networks_have_a_graph():
    with pytest.raises(UsageError, match="no ONNX graph is made of a Linear"):
        export_graph(torch.nn.Linear(1, 1))
