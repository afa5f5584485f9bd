"""Our JPEG against libjpeg's own files."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from ensharpen_edge.degrade.jpeg import JpegConfig, jpeg, quantization_tables, sample_and_compress


def pillow_jpeg(rgb: np.ndarray, quality: int, subsampled: bool) -> Image.Image:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=quality, subsampling=2 if subsampled else 0)
    return Image.open(buffer)


def to_tensor(rgb: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("quality", [1, 10, 49, 50, 75, 90, 100])
def test_tables_are_libjpegs(photo, quality):
    image = pillow_jpeg(photo[:16, :16], quality, True)
    ours = quantization_tables(quality)
    for index in (0, 1):
        theirs = torch.tensor(image.quantization[index], dtype=torch.float32).reshape(8, 8)
        assert torch.equal(ours[index], theirs)


@pytest.mark.parametrize("subsampled", [False, True])
@pytest.mark.parametrize("quality", [30, 50, 75, 95])
@pytest.mark.parametrize("size", [(384, 512), (101, 75)])
def test_pixels_are_libjpegs_within_one_code_value(photo, quality, subsampled, size):
    rgb = photo[: size[0], : size[1]]
    theirs = np.asarray(pillow_jpeg(rgb, quality, subsampled)).astype(int)
    ours = (jpeg(to_tensor(rgb), quality, subsampled=subsampled) * 255).round()[0].permute(1, 2, 0).numpy().astype(int)
    difference = np.abs(ours - theirs)
    # libjpeg transforms in integers, so a coefficient at the edge of a quantization step may fall to either side.
    assert difference.mean() < 0.75
    assert (difference > 6).mean() < 0.01


def test_each_image_draws_its_own_quality(photo):
    batch = to_tensor(photo[:64, :64]).repeat(6, 1, 1, 1)
    config = JpegConfig(quality=(10, 90))
    first = sample_and_compress(batch, config, torch.Generator().manual_seed(0))
    assert torch.equal(first, sample_and_compress(batch, config, torch.Generator().manual_seed(0)))
    assert len({image.sum().item() for image in first}) > 3


def test_impossible_quality():
    with pytest.raises(ValueError, match="1 to 100"):
        jpeg(torch.rand(1, 3, 8, 8), 0, subsampled=False)
