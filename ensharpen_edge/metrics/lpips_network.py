"""The network behind LPIPS: AlexNet's convolutions and one learnt weight per channel.

Zhang et al., The unreasonable effectiveness of deep features as a perceptual metric, 2018; version 0.1 of the authors'
weights (BSD licence), stored as float16. The same features make the perceptual training loss.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from ensharpen_edge.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterator

WEIGHTS = "lpips_alex.safetensors"
SMALLEST_SIDE = 32

_LAYERS = ((3, 64, 11, 4, 2), (64, 192, 5, 1, 2), (192, 384, 3, 1, 1), (384, 256, 3, 1, 1), (256, 256, 3, 1, 1))
"""(in, out, kernel, stride, padding); a 3x3 max pool of stride 2 precedes the second and the third."""
_MEAN, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


class LpipsNetwork(nn.Module):
    """Distance of two batches float (N, 3, H, W) in [0, 1]: (N,); 0 for equal images, about 0.7 for unrelated ones."""

    mean: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(i, o, k, stride=s, padding=p) for i, o, k, s, p in _LAYERS)
        self.linear = nn.ParameterList(torch.zeros(1, o, 1, 1) for _, o, _, _, _ in _LAYERS)
        self.register_buffer("mean", torch.tensor(_MEAN)[None, :, None, None], persistent=False)
        self.register_buffer("scale", torch.tensor(_SCALE)[None, :, None, None], persistent=False)

    def _features(self, image: Tensor) -> Iterator[Tensor]:
        x = (2.0 * image - 1.0 - self.mean) / self.scale
        for index, convolution in enumerate(self.convolutions):
            if index in (1, 2):
                x = F.max_pool2d(x, 3, 2)
            x = F.relu(convolution(x))
            yield x / (x.square().sum(dim=1, keepdim=True).add(1e-20).sqrt() + 1e-10)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        total = torch.zeros(a.shape[0], dtype=a.dtype, device=a.device)
        pairs = zip(self._features(a), self._features(b), self.linear, strict=True)
        for first, second, weight in pairs:
            total = total + ((first - second).square() * weight).sum(dim=1).mean(dim=(1, 2))
        return total


def load_lpips() -> LpipsNetwork:
    """Return the network with the authors' weights, frozen, in evaluation mode.

    Raises:
        IntegrityError: The weights are missing or damaged.
    """
    path = Path(str(resources.files("ensharpen_edge.metrics"))) / WEIGHTS
    network = LpipsNetwork()
    try:
        stored = {key: value.float() for key, value in load_file(path).items()}
        places = (0, 3, 6, 8, 10)  # of AlexNet's convolutions among its layers
        state = {}
        for index, place in enumerate(places):
            for kind in ("weight", "bias"):
                state[f"convolutions.{index}.{kind}"] = stored[f"net.slice{index + 1}.{place}.{kind}"]
            state[f"linear.{index}"] = stored[f"lin{index}.model.1.weight"]
        network.load_state_dict(state)
    except Exception as error:  # safetensors and torch each raise several classes here
        raise IntegrityError(f"{path}: not the weights of LPIPS ({error})", hint="install the package again") from error
    return network.requires_grad_(False).eval()
