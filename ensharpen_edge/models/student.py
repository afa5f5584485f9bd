"""The student: a small U-Net that sharpens an RGB photograph."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ensharpen_edge.errors import UsageError
from ensharpen_edge.models.blocks import ResidualStack
from ensharpen_edge.models.config import HEAD_SCALES, UNSHUFFLE, StudentConfig
from ensharpen_edge.models.decoder import COLOURS, EnSharpenDecoder
from ensharpen_edge.models.encoder import Encoder


class Outputs(NamedTuple):
    """Everything that training looks at; a tuple, because distributed wrappers look into the outputs they pass on.

    Attributes:
        images: Output of each task, by task, float (N, 3, sH, sW).
        scales: Images at smaller scales, by the factor they are smaller by (deep supervision).
        features: Features of the bottleneck, (N, C, H/8, W/8).
        estimate: Blur and noise per position (N, 2, H/8, W/8), or None (see `DegradationEstimator`).
    """

    images: dict[str, Tensor]
    scales: dict[int, Tensor]
    features: Tensor
    estimate: Tensor | None


class Enlarge(nn.Module):
    """Nearest-neighbour enlargement of an unshuffled image, in unshuffled space, as one fixed 1x1 convolution.

    The image-space anchor of ABPN (Du et al. 2021): what a task that enlarges adds its residual to.
    (N, 12, H, W) -> (N, 12 s^2, H, W); PixelShuffle(2 s) of the result is the image enlarged by s.
    """

    weight: Tensor

    def __init__(self, scale: int) -> None:
        super().__init__()
        side = UNSHUFFLE * scale
        weight = torch.zeros(COLOURS, side, side, COLOURS, UNSHUFFLE, UNSHUFFLE)
        for y in range(side):
            for x in range(side):
                for colour in range(COLOURS):
                    weight[colour, y, x, colour, y // scale, x // scale] = 1.0
        self.register_buffer(
            "weight", weight.reshape(COLOURS * side**2, COLOURS * UNSHUFFLE**2, 1, 1), persistent=False
        )

    def forward(self, blocks: Tensor) -> Tensor:
        if torch.is_autocast_enabled(blocks.device.type):
            with torch.autocast(blocks.device.type, enabled=False):  # half precision would round the image itself
                return F.conv2d(blocks, self.weight)
        return F.conv2d(blocks, self.weight)


class Student(nn.Module):
    """RGB in [0, 1] -> sharpened RGB in [0, 1].

    The residual is added to the unshuffled image *before* the last PixelShuffle, which keeps the only
    full-resolution tensors of the graph the image itself.

    Input: float (N, 3, H, W), H and W multiples of `config.total_stride`. Output: the same shape for the task
    `sharpen`; for several tasks a tuple in the order of `config.heads`; `upscale` tasks return larger images. In
    training mode the output is not clipped, so that gradients reach saturated pixels.

    Raises:
        UsageError: H or W is no such multiple.
    """

    def __init__(self, config: StudentConfig) -> None:
        super().__init__()
        self.config = config
        self.unshuffle: nn.Module = nn.PixelUnshuffle(UNSHUFFLE)
        self.encoder = Encoder(config)
        self.decoder = EnSharpenDecoder(config)
        scales = {name: HEAD_SCALES[name] for name in config.heads}
        self.anchors = nn.ModuleDict({name: Enlarge(scale) for name, scale in scales.items() if scale > 1})
        self.shuffles = nn.ModuleDict({name: nn.PixelShuffle(UNSHUFFLE * scale) for name, scale in scales.items()})

    def set_active_depth(self, share: float) -> None:
        """Let only the first `share` of each stack's residual blocks run, at least one (progressive growing)."""
        for module in self.modules():
            if isinstance(module, ResidualStack):
                module.active = max(1, round(share * len(module))) if len(module) else 0

    def all_outputs(self, image: Tensor) -> Outputs:
        """Return the images of every task and scale, and what happens inside; not clipped."""
        stride = self.config.total_stride
        height, width = image.shape[-2:]
        if height % stride or width % stride:
            raise UsageError(
                f"the student needs sides that are multiples of {stride}, got {height}x{width}",
                hint="pad the image (the runtime does so by itself)",
            )
        blocks = self.unshuffle(image)
        half, quarter, eighth, estimate = self.encoder(blocks)
        residuals = self.decoder(half, quarter, eighth)
        images = {}
        for name, residual in residuals.heads.items():
            anchor = self.anchors[name](blocks) if name in self.anchors else blocks
            images[name] = self.shuffles[name](anchor + residual)
        scales = {factor: F.avg_pool2d(image, factor) + small for factor, small in residuals.auxiliary.items()}
        return Outputs(images, scales, eighth, estimate)

    def bottleneck(self, image: Tensor) -> Tensor:
        """Return features (N, C, H/8, W/8) that feature distillation compares."""
        features: Tensor = self.encoder(self.unshuffle(image))[2]
        return features

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        outputs = self.all_outputs(image).images
        images = tuple(outputs[name] if self.training else outputs[name].clamp(0.0, 1.0) for name in self.config.heads)
        return images[0] if len(images) == 1 else images
