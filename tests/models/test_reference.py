from __future__ import annotations

import torch

from ensharpen_edge.models.reference import EnSharpenDecoder


@torch.no_grad()
def test_reference_decoder_shapes():
    decoder = EnSharpenDecoder(latent_ch=256, mid_ch=128, out_ch=3, num_res=4).eval()
    latents = torch.rand(2, 256, 5, 7)
    assert decoder(latents).shape == (2, 3, 20, 28)
    skipped = decoder(latents, skip=torch.rand(2, 128, 5, 7))
    assert skipped.shape == (2, 3, 20, 28)
    assert not torch.equal(skipped, decoder(latents))


@torch.no_grad()
def test_reference_decoder_takes_other_widths():
    assert EnSharpenDecoder(16, 8, 1, 0)(torch.rand(1, 16, 2, 2)).shape == (1, 1, 8, 8)
