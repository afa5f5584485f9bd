"""The reference decoder is one function, and its weights have fixed names."""

from __future__ import annotations

import io

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F

from ensharpen_edge.models.reference import EnSharpenDecoder

PARAMETERS = 1_845_603
SHAPES = {
    "head": (128, 256),
    **{f"res_blocks.{index}.conv{number}": (128, 128) for index in range(4) for number in (1, 2)},
    "up1.conv": (256, 128),
    "up2.conv": (128, 64),
    "final_conv": (3, 32),
}
"""(outputs, inputs) of every convolution at the defaults; all kernels are 3x3, all have a bias."""


def made_elsewhere() -> dict[str, torch.Tensor]:
    """A state dict that owes nothing to the class. Its scales keep the size of activations and spread the image over
    [0, 1], as trained weights do: residuals are a third of what they are added to."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, (outputs, inputs) in SHAPES.items():
        scale = (1.0 / (9 * inputs)) ** 0.5 * (0.3 if name.endswith("conv2") else 1.0)
        state[f"{name}.weight"] = torch.randn(outputs, inputs, 3, 3, generator=generator) * scale
        state[f"{name}.bias"] = torch.randn(outputs, generator=generator) * 0.1
    return state


def decode(state: dict[str, torch.Tensor], latents: torch.Tensor, skip: torch.Tensor | None) -> torch.Tensor:
    """The decoder written out, without modules."""

    def conv(name: str, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=1)

    def doubled(x: torch.Tensor) -> torch.Tensor:
        """Channel 4c + 2i + j goes to row i, column j of a block of two by two, of channel c."""
        n, c, h, w = x.shape
        return x.reshape(n, c // 4, 2, 2, h, w).permute(0, 1, 4, 2, 5, 3).reshape(n, c // 4, 2 * h, 2 * w)

    x = conv("head", latents)
    for index in range(4):
        x = x + conv(f"res_blocks.{index}.conv2", conv(f"res_blocks.{index}.conv1", x).clamp(min=0))
    if skip is not None:
        x = x + skip
    for name in ("up1.conv", "up2.conv"):
        x = doubled(conv(name, x)).clamp(min=0)
    return 1 / (1 + torch.exp(-conv("final_conv", x)))


@pytest.fixture(scope="module")
def decoder() -> EnSharpenDecoder:
    made = EnSharpenDecoder()
    made.load_state_dict(made_elsewhere(), strict=True)
    return made.eval()


def inputs(height: int = 5, width: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 256, height, width, generator=generator), torch.randn(
        2, 128, height, width, generator=generator
    )


def test_names_and_number_of_the_parameters():
    state = EnSharpenDecoder(latent_ch=256, mid_ch=128, out_ch=3, num_res=4).state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == {
        name: tuple(value.shape) for name, value in made_elsewhere().items()
    }
    assert sum(value.numel() for value in state.values()) == PARAMETERS


@torch.no_grad()
@pytest.mark.parametrize("with_skip", [False, True])
def test_the_same_values_as_the_formula(decoder, with_skip):
    latents, skip = inputs()
    given = (latents, skip) if with_skip else (latents,)
    image = decoder(*given)
    assert image.shape == (2, 3, 20, 28)
    assert 0.0 <= image.min() < 0.3 < 0.7 < image.max() <= 1.0
    assert (image - decode(decoder.state_dict(), latents, skip if with_skip else None)).abs().max() <= 1e-6


@torch.no_grad()
def test_the_skip_is_added_after_the_residual_blocks(decoder):
    """Residual blocks are not linear: added before them, the same skip gives another image."""
    latents, skip = inputs()
    x = decoder.head(latents) + skip
    for block in decoder.res_blocks:
        x = block(x)
    before = torch.sigmoid(decoder.final_conv(decoder.up2(decoder.up1(x))))
    after = decoder(latents, skip=skip)
    assert (before - after).abs().max() > 0.01
    assert (decoder(latents) - after).abs().max() > 0.01


@torch.no_grad()
def test_other_widths():
    assert EnSharpenDecoder(16, 8, 1, 0)(torch.rand(1, 16, 2, 2)).shape == (1, 1, 8, 8)


@torch.no_grad()
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("with_skip", [False, True])
def test_onnx_computes_the_same(decoder, with_skip):
    names = ["latents", "skip"] if with_skip else ["latents"]
    buffer = io.BytesIO()
    torch.onnx.export(
        decoder,
        inputs()[: len(names)],
        buffer,
        input_names=names,
        output_names=["image"],
        opset_version=17,
        dynamic_axes={name: {0: "n", 2: "h", 3: "w"} for name in (*names, "image")},
        dynamo=False,
    )
    session = onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
    for size in ((5, 7), (16, 12)):
        given = inputs(*size)[: len(names)]
        (image,) = session.run(None, {name: value.numpy() for name, value in zip(names, given, strict=True)})
        assert image.shape == (2, 3, 4 * size[0], 4 * size[1])
        assert np.abs(image - decoder(*given).numpy()).max() <= 1e-5
