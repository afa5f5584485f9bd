"""The student: a small U-Net that sharpens an RGB photograph."""

from __future__ import annotations

from torch import Tensor, nn

from ensharpen_edge.errors import UsageError
from ensharpen_edge.models.config import TOTAL_STRIDE, UNSHUFFLE, StudentConfig
from ensharpen_edge.models.decoder import EnSharpenDecoder
from ensharpen_edge.models.encoder import Encoder


class Student(nn.Module):
    """RGB in [0, 1] -> sharpened RGB in [0, 1].

    The residual is added to the unshuffled image *before* the last PixelShuffle, which keeps the only
    full-resolution tensors of the graph the image itself.

    Input and output: float (N, 3, H, W), H and W multiples of 8. In training mode the output is not clipped,
    so that gradients reach saturated pixels.

    Raises:
        UsageError: H or W is no multiple of 8.
    """

    def __init__(self, config: StudentConfig) -> None:
        super().__init__()
        self.config = config
        self.unshuffle: nn.Module = nn.PixelUnshuffle(UNSHUFFLE)
        self.encoder = Encoder(config)
        self.decoder = EnSharpenDecoder(config)
        self.shuffle: nn.Module = nn.PixelShuffle(UNSHUFFLE)

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        if height % TOTAL_STRIDE or width % TOTAL_STRIDE:
            raise UsageError(
                f"the student needs sides that are multiples of {TOTAL_STRIDE}, got {height}x{width}",
                hint="pad the image (the runtime does so by itself)",
            )
        blocks = self.unshuffle(image)
        half, quarter, eighth = self.encoder(blocks)
        out: Tensor = self.shuffle(blocks + self.decoder(half, quarter, eighth))
        return out if self.training else out.clamp(0.0, 1.0)
