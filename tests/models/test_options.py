"""Every option of the family: it trains, it folds exactly, and its graph computes the same or is refused by name."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from ensharpen_edge.errors import UsageError
from ensharpen_edge.export.graph.lint import check_exportable
from ensharpen_edge.export.graph.onnx_graph import check_graph, export_graph, simplify
from ensharpen_edge.models.config import HEAD_SCALES, StudentConfig
from ensharpen_edge.models.folding import fold_branches, merge_separable
from ensharpen_edge.models.student import Enlarge, Student
from ensharpen_edge.models.student_network import StudentNetwork, expected_operators

TINY = StudentConfig("tiny", (8, 8, 16), (1, 1, 1, 1, 1))
OPTIONS = {
    "plain": {},
    "nearest": {"upsampling": "nearest"},
    "bilinear": {"upsampling": "bilinear"},
    "transposed": {"upsampling": "transposed"},
    "channel": {"attention": "channel"},
    "spatial": {"attention": "spatial"},
    "block": {"attention": "block"},
    "windows": {"windows": 2},
    "estimator": {"estimator": True},
    "multiscale": {"multiscale": True},
    "upscale2": {"heads": ("upscale2",)},
    "upscale4": {"heads": ("upscale4",)},
    "denoise": {"heads": ("denoise",)},
    "colour": {"heads": ("colour",)},
    "many tasks": {"heads": ("sharpen", "denoise", "upscale2"), "multiscale": True, "estimator": True},
}


def config_of(name: str) -> StudentConfig:
    return dataclasses.replace(TINY, name=name, **OPTIONS[name])


def lively(config: StudentConfig) -> Student:
    """A student whose every parameter matters, the zero-initialised ones too."""
    torch.manual_seed(1)
    student = Student(config).eval()
    with torch.no_grad():
        for name, parameter in student.named_parameters():
            if parameter.dim() < 2 or float(parameter.abs().max()) == 0.0 or "edge_gain" in name:
                parameter.normal_(std=0.05)
    return student


def images(output: torch.Tensor | tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return output if isinstance(output, tuple) else (output,)


@pytest.mark.parametrize("name", OPTIONS)
def test_untrained_option_returns_its_input(name):
    config = config_of(name)
    image = torch.rand(1, 3, 64, 128)
    with torch.no_grad():
        outputs = images(Student(config).eval()(image))
    for head, output in zip(config.heads, outputs, strict=True):
        expected = torch.nn.functional.interpolate(image, scale_factor=HEAD_SCALES[head], mode="nearest")
        assert torch.equal(output, expected)


@pytest.mark.parametrize("name", OPTIONS)
def test_option_learns(name):
    """A few steps on one batch lower the loss, and every parameter takes part."""
    config = config_of(name)
    torch.manual_seed(0)
    student = Student(config).train()
    with torch.no_grad():
        for head in student.decoder.heads.values():
            head.weight.normal_(std=0.02)
        for block in student.encoder.windows:
            block.project.weight.normal_(std=0.02)
        if student.encoder.estimator is not None:
            student.encoder.estimator.modulate.weight.normal_(std=0.02)
        for auxiliary in student.decoder.auxiliary.values():
            auxiliary.head.weight.normal_(std=0.02)
    optimizer = torch.optim.Adam(student.parameters(), lr=3e-3)
    image = torch.rand(2, 3, 64, 64)
    targets = {h: torch.nn.functional.interpolate(image, scale_factor=HEAD_SCALES[h]) * 0.7 for h in config.heads}
    losses = []
    for _ in range(8):
        outputs = student.all_outputs(image)
        loss = sum((outputs.images[head] - target).abs().mean() for head, target in targets.items())
        for factor, small in outputs.scales.items():
            loss = loss + (small - torch.nn.functional.avg_pool2d(image, factor) * 0.7).abs().mean()
        if outputs.estimate is not None:
            loss = loss + (outputs.estimate - 0.5).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        idle = [n for n, p in student.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
        assert not idle
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.95 * losses[0]


@pytest.mark.parametrize("name", OPTIONS)
@torch.no_grad()
def test_option_folds_exactly(name):
    student = lively(config_of(name))
    image = torch.rand(1, 3, 64, 128)
    folded = fold_branches(student)
    assert not folded.config.branches
    assert not folded.config.multiscale
    assert not any("auxiliary" in key for key in folded.state_dict())
    for a, b in zip(images(folded(image)), images(student(image)), strict=True):
        assert torch.equal(a, b)
    for a, b in zip(images(merge_separable(student)(image)), images(student(image)), strict=True):
        assert (a - b).abs().max() < 1e-5


@pytest.mark.parametrize("name", OPTIONS)
def test_option_exports_with_parity(name):
    import onnxruntime

    config = config_of(name)
    folded = fold_branches(lively(config))
    size = (64, 128) if config.windows else None
    graph = simplify(export_graph(folded, size))
    check_graph(graph, expected_operators(config))
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    shapes = [(64, 128)] if size else [(64, 128), (128, 192)]
    for shape in shapes:
        image = np.random.default_rng(0).random((1, 3, *shape), dtype=np.float32)
        with torch.no_grad():
            expected = images(folded(torch.from_numpy(image)))
        outputs = session.run(None, {"image": image})
        assert len(outputs) == len(expected) == len(config.heads)
        for output, wanted in zip(outputs, expected, strict=True):
            assert np.abs(output - wanted.numpy()).max() < 1e-5


@pytest.mark.parametrize(
    ("name", "size", "reason"),
    [
        ("many tasks", None, "3 heads"),
        ("windows", None, "fixed size"),
        ("channel", (256, 256), "whole frame"),
        ("block", (264, 256), "multiples of 64"),
        ("block", (128, 128), "could not be cut"),
    ],
)
def test_what_no_artifact_can_be_is_refused_by_name(name, size, reason):
    with pytest.raises(UsageError, match=reason):
        check_exportable(StudentNetwork(Student(config_of(name))), size)


@pytest.mark.parametrize("name", OPTIONS)
def test_configuration_survives_json(name):
    import json

    config = config_of(name)
    assert StudentConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    "change",
    [
        {"upsampling": "cubic"},
        {"attention": "self"},
        {"heads": ()},
        {"heads": ("sharpen", "sharpen")},
        {"heads": ("paint",)},
        {"windows": -1},
        {"windows": 1, "widths": (8, 8, 6)},
    ],
    ids=str,
)
def test_impossible_options_are_refused(change):
    with pytest.raises(UsageError):
        dataclasses.replace(TINY, **change)


def test_sides_must_fit_blocks_and_windows():
    for name in ("block", "windows"):
        with pytest.raises(UsageError, match="multiples of 64"):
            Student(config_of(name))(torch.rand(1, 3, 64, 72))


@torch.no_grad()
def test_transposed_and_shuffled_upsampling_are_the_same_function():
    """A 1x1 convolution and PixelShuffle is one transposed 2x2 convolution with the kernels regrouped."""
    shuffled = lively(TINY)
    transposed = Student(dataclasses.replace(TINY, upsampling="transposed")).eval()
    state = {k: v for k, v in shuffled.state_dict().items() if ".up1." not in k and ".up2." not in k}
    for name in ("up1", "up2"):
        weight = shuffled.state_dict()[f"decoder.{name}.expand.weight"]
        out, inp = weight.shape[0] // 4, weight.shape[1]
        state[f"decoder.{name}.weight"] = weight.reshape(out, 2, 2, inp).permute(3, 0, 1, 2)
        bias = shuffled.state_dict()[f"decoder.{name}.expand.bias"].reshape(out, 4)
        bias[:] = bias[:, :1]  # a transposed convolution has one bias for all four pixels
        state[f"decoder.{name}.bias"] = bias[:, 0].clone()
    transposed.load_state_dict(state)
    image = torch.rand(1, 3, 64, 64)
    assert (transposed(image) - shuffled(image)).abs().max() < 1e-5


@pytest.mark.parametrize("scale", [2, 4])
def test_enlarging_anchor_is_nearest_neighbour(scale):
    image = torch.rand(1, 3, 16, 24)
    blocks = torch.nn.functional.pixel_unshuffle(image, 2)
    enlarged = torch.nn.functional.pixel_shuffle(Enlarge(scale)(blocks), 2 * scale)
    assert torch.equal(enlarged, torch.nn.functional.interpolate(image, scale_factor=scale, mode="nearest"))


def test_half_precision_does_not_round_the_image_that_is_enlarged():
    """The residual of an untrained network is zero, so what training sees is the anchor."""
    student = Student(dataclasses.replace(TINY, heads=("upscale2",))).train()
    image = torch.rand(1, 3, 16, 24)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        output = student(image)
    assert torch.equal(output, torch.nn.functional.interpolate(image, scale_factor=2, mode="nearest"))


def test_growing_runs_fewer_blocks():
    student = lively(dataclasses.replace(TINY, depths=(2, 2, 4, 2, 2))).train()
    image = torch.rand(1, 3, 32, 32)
    whole = student(image)
    student.set_active_depth(0.5)
    half = student(image)
    assert not torch.equal(whole, half)
    half.sum().backward()
    assert student.encoder.bottleneck[3].expand.weight.grad is None
    assert student.encoder.bottleneck[1].expand.weight.grad is not None
    student.set_active_depth(1.0)
    assert torch.equal(student(image), whole)
