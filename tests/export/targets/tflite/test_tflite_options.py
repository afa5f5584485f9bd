"""Every option of the family as a TFLite file: random weights, the real interpreter, several sizes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from ensharpen_edge.errors import UsageError
from ensharpen_edge.export.graph.onnx_graph import export_graph, simplify
from ensharpen_edge.export.targets.tflite.convert import to_tflite
from ensharpen_edge.export.targets.tflite.operators import read_operators
from ensharpen_edge.export.targets.tflite.writer import Conversion
from ensharpen_edge.models.config import StudentConfig
from ensharpen_edge.models.folding import fold_branches, merge_separable
from ensharpen_edge.models.student import Student

OPTIONS = (
    {"upsampling": "nearest"},
    {"upsampling": "transposed"},
    {"upsampling": "bilinear"},
    {"attention": "channel"},
    {"attention": "spatial"},
    {"attention": "block"},
    {"estimator": True},
    {"heads": ("denoise",)},
    {"heads": ("upscale2",)},
)


def student(**options) -> Student:
    """Random everywhere, so that no path is idle."""
    torch.manual_seed(0)
    made = Student(StudentConfig("option", (8, 16, 24), (1, 1, 1, 1, 1), **options))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return fold_branches(made)


def run(content: bytes, image: np.ndarray) -> np.ndarray:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=1)
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(source["index"], image.shape, strict=True)
    interpreter.allocate_tensors()
    interpreter.set_tensor(source["index"], image)
    interpreter.invoke()
    return interpreter.get_tensor(target["index"])


def converted(network: Student, size: tuple[int, int] | None = None, weights: str = "float32") -> bytes:
    graph = simplify(export_graph(network, size))
    return to_tflite(Conversion(graph, size or (64, 64), size is None, "test", weights))


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(map(str, options.values())))
def test_the_file_computes_what_torch_computes(options):
    network = student(**options)
    fixed = options.get("upsampling") == "bilinear"
    content = converted(network, (128, 64) if fixed else None)
    operators = read_operators(content)
    assert not set(operators.counts) & {"TRANSPOSE", "RESHAPE", "TRANSPOSE_CONV", "RESIZE_NEAREST_NEIGHBOR", "SHAPE"}
    assert max(operator.rank for operator in operators.operators) <= 4
    rng = np.random.default_rng(0)
    for height, width in ((128, 64),) if fixed else ((64, 64), (128, 192)):
        image = rng.random((1, height, width, 3), dtype=np.float32)
        with torch.no_grad():
            wanted = network(torch.from_numpy(image.transpose(0, 3, 1, 2))).numpy().transpose(0, 2, 3, 1)
        assert wanted.std() > 0.05
        assert np.abs(run(content, image) - wanted).max() < 1e-4


def test_dense_kernels_too(rng):
    network = merge_separable(student())
    image = rng.random((1, 64, 64, 3), dtype=np.float32)
    wanted = network(torch.from_numpy(image.transpose(0, 3, 1, 2))).detach().numpy().transpose(0, 2, 3, 1)
    content = converted(network)
    assert "DEPTHWISE_CONV_2D" not in read_operators(content).counts
    assert np.abs(run(content, image) - wanted).max() < 1e-4


@pytest.mark.parametrize(("weights", "error"), [("float16", 2e-3), ("int8", 0.05), ("hybrid", 0.05)])
def test_smaller_weights(weights, error, photo):
    from ensharpen_edge.models.checkpoint import find_checkpoint

    network = fold_branches(find_checkpoint("nano").network)
    image = photo[:128, :128][None].astype(np.float32) / 255.0
    whole, small = converted(network), converted(network, weights=weights)
    difference = np.abs(run(small, image) - run(whole, image))
    assert 0 < difference.max() < error
    assert len(small) < (0.6 if weights == "float16" else 0.4) * len(whole)


def test_a_size_that_bilinear_interpolation_holds(tmp_path):
    with pytest.raises(UsageError, match="holds its size") as error:
        converted(student(upsampling="bilinear"))
    assert "--size" in str(error.value.hint)


def test_attention_over_windows_is_refused_before_anything_is_written(command, tmp_path):
    from ensharpen_edge.models.checkpoint import save_checkpoint

    path = tmp_path / "windows.safetensors"
    save_checkpoint(student(windows=1), path, {})
    done = command("ensharpen-export", "--target", "tflite", "--size", "384x384", "--model", path, "--out", tmp_path)
    assert done.returncode == 2, done.stderr
    assert "cannot write" in done.stderr


def test_work_is_counted_like_in_the_model_card():
    from ensharpen_edge.models.checkpoint import find_checkpoint
    from ensharpen_edge.models.complexity import gmac_per_megapixel

    network = fold_branches(find_checkpoint("nano").network)
    operators = read_operators(converted(network)).operators
    gmac = sum(operator.macs for operator in operators) / (64 * 64) / 1000
    assert gmac == pytest.approx(gmac_per_megapixel(network), rel=0.01)
    assert Counter(operator.kind for operator in operators) == {"float32": len(operators)}
