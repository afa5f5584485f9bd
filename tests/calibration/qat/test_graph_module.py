"""The torch module is the graph: the same numbers, the same sites, and no operator that codes cannot pass through."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from ensharpen_edge.calibration.qat.graph_module import GraphModule, depth_to_space, space_to_depth
from ensharpen_edge.calibration.qat.placement import PLACEMENTS, find_placement, place
from ensharpen_edge.calibration.qat.quantized_graph import QuantizedGraph
from ensharpen_edge.calibration.session import graph_run
from ensharpen_edge.errors import BadInputError, UsageError
from ensharpen_edge.models.config import StudentConfig
from ensharpen_edge.models.student import Student


def exported(**options):
    from ensharpen_edge.export.graph.onnx_graph import export_graph, simplify
    from ensharpen_edge.models.folding import fold_branches

    torch.manual_seed(0)
    config = StudentConfig("tiny", (8, 8, 16), (1, 1, 1, 1, 1), **options)
    return simplify(export_graph(fold_branches(Student(config).eval())))


def copied(model):
    return onnx.ModelProto.FromString(model.SerializeToString())


def test_it_computes_what_onnxruntime_computes(float_graph, photo):
    image = np.ascontiguousarray(photo[:120, :168].transpose(2, 0, 1))[None].astype(np.float32) / 255.0
    with torch.no_grad():
        ours = GraphModule(float_graph).eval()(torch.from_numpy(image)).numpy()
    assert np.abs(ours - graph_run(float_graph)(image)).max() <= 1e-5


def test_a_graph_that_is_not_rounded_is_the_float_one(float_graph, photo):
    image = torch.from_numpy(photo[:64, :64].copy()).permute(2, 0, 1)[None].float() / 255.0
    floats, quantized = GraphModule(float_graph).eval(), QuantizedGraph(float_graph, PLACEMENTS["everything"]).eval()
    with torch.no_grad(), quantized.exactly():
        assert torch.equal(floats(image), quantized(image))
    with torch.no_grad():
        assert not torch.allclose(floats(image), quantized(image), atol=1e-3)


def test_shuffles_are_those_of_the_graph():
    image = torch.rand(2, 3, 8, 12)
    blocks = space_to_depth(image, 2)
    assert torch.equal(blocks[:, 5], image[:, 2, ::2, 1::2])
    assert torch.equal(depth_to_space(blocks, 2), image)


def test_output_is_clipped_in_evaluation_only(float_graph):
    white = torch.ones(1, 3, 32, 32)
    white[..., 12:20, 12:20] = 0.0
    network = GraphModule(float_graph)
    with torch.no_grad():
        assert network.train()(white).max() > 1.0
        assert network.eval()(white).max() <= 1.0


def test_sites_of_nano(float_graph):
    network = GraphModule(float_graph).network
    everything = place(network, find_placement("everything"))
    assert len(everything.sites) == 52
    assert sum(site.positive for site in everything.sites) == 11
    assert not everything.float_layers
    for name in ("image", "sharp", "/Add_output_0", "/encoder/level1/level1.0/expand/Conv_output_0"):
        assert name not in everything, name
    for name in ("/decoder/sharpen/Conv_output_0", "/encoder/level1/level1.0/contract/Conv_output_0"):
        assert name in everything, name

    convolutions = place(network, find_placement("convolutions"))
    assert len(convolutions.sites) == 38
    assert convolutions.float_layers == {"encoder.stem"}
    read = {network.source(operation.inputs[0]) for operation in network.convolutions}
    assert {site.tensor for site in convolutions.sites} == read - {"image"}


def test_additions_behind_convolutions_read_what_was_not_rounded(float_graph):
    network = QuantizedGraph(float_graph, PLACEMENTS["convolutions"]).eval()
    for site in network.placed.sites:
        network.quantizer(site.tensor).set_range(1e6, 0 if site.positive else -127, 127)  # rounds everything to zero
    image = torch.rand(1, 3, 32, 32)
    seen = {}
    with torch.no_grad():
        network(image, seen.__setitem__)
    stem, sum_ = seen["/encoder/stem/Conv_output_0"], seen["/encoder/level1/level1.0/Add_output_0"]
    bias = network.tensor("encoder.level1.0.contract.bias")[None, :, None, None]
    assert stem.abs().max() > 0.01
    assert torch.allclose(sum_, stem + bias, atol=1e-5)


def test_unknown_placements_are_named():
    with pytest.raises(UsageError, match="Did you mean 'everything'"):
        find_placement("everythin")


@pytest.mark.parametrize(
    ("options", "operator"),
    [({"upsampling": "bilinear"}, "Resize"), ({"upsampling": "transposed"}, "ConvTranspose")],
    ids=str,
)
def test_an_unknown_operator_is_refused_by_name(options, operator):
    with pytest.raises(UsageError, match=rf"the operator {operator} \(/decoder"):
        GraphModule(exported(**options))


def test_other_forms_of_known_operators_are_refused(float_graph):
    crd = copied(float_graph)
    shuffle = next(node for node in crd.graph.node if node.op_type == "DepthToSpace")
    next(a for a in shuffle.attribute if a.name == "mode").s = b"CRD"
    with pytest.raises(UsageError, match="CRD order"):
        GraphModule(crd)

    uneven = copied(float_graph)
    convolution = next(node for node in uneven.graph.node if node.op_type == "Conv")
    next(a for a in convolution.attribute if a.name == "pads").ints[0] = 0
    with pytest.raises(UsageError, match=r"Conv \(/encoder/stem/Conv\) pads"):
        GraphModule(uneven)

    constant = copied(float_graph)
    next(node for node in constant.graph.node if node.op_type == "Add").input[1] = "encoder.stem.bias"
    with pytest.raises(UsageError, match="reads constants"):
        GraphModule(constant)


def test_weights_that_are_not_numbers_are_refused(float_graph):
    broken = copied(float_graph)
    tensor = next(t for t in broken.graph.initializer if t.name == "encoder.stem.weight")
    values = onnx.numpy_helper.to_array(tensor).copy()
    values[0, 0, 0, 0] = np.nan
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    with pytest.raises(BadInputError, match=r"encoder\.stem\.weight"):
        GraphModule(broken)
