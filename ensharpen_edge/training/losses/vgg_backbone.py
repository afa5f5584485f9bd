"""Features of a VGG network whose weights the user supplies as safetensors."""

from __future__ import annotations

import re
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ensharpen_edge.errors import BadInputError

_KEY = re.compile(r"features\.(\d+)\.(weight|bias)$")
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class VggBackbone(nn.Module):
    """The last feature map before each pooling of a VGG without batch norm (Simonyan and Zisserman 2014).

    The file's keys are torchvision's: `features.0.weight` and so on. Where the numbers of two convolutions are three
    apart instead of two, a pooling lies between them, so VGG-11 to VGG-19 and cut-off ones are all understood.

    Raises:
        BadInputError: Not such a file.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, path: Path) -> None:
        super().__init__()
        try:
            stored = load_file(path)
        except (OSError, SafetensorError) as error:
            raise BadInputError(f"{path}: not a safetensors file ({error})") from error
        numbers = sorted({int(m.group(1)) for key in stored if (m := _KEY.match(key))})
        if not numbers:
            raise BadInputError(f"{path}: holds no VGG", hint="keys like features.0.weight are expected")
        self.pooled_before = tuple(i for i in range(1, len(numbers)) if numbers[i] - numbers[i - 1] > 2)
        self.convolutions = nn.ModuleList()
        for number in numbers:
            weight, bias = stored[f"features.{number}.weight"].float(), stored.get(f"features.{number}.bias")
            if weight.ndim != 4 or weight.shape[2:] != (3, 3) or bias is None:
                raise BadInputError(
                    f"{path}: features.{number} is no 3x3 convolution with a bias", hint="a VGG is wanted"
                )
            convolution = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
            convolution.load_state_dict({"weight": weight, "bias": bias.float()})
            self.convolutions.append(convolution)
        self.register_buffer("mean", torch.tensor(_MEAN)[None, :, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(_DEVIATION)[None, :, None, None], persistent=False)

    def forward(self, image: Tensor) -> list[Tensor]:
        x = (image - self.mean) / self.deviation
        features = []
        for index, convolution in enumerate(self.convolutions):
            if index in self.pooled_before:
                features.append(x)
                x = F.max_pool2d(x, 2)
            x = F.relu(convolution(x))
        return [*features, x]
