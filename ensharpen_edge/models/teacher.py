"""The teacher: a dense residual U-Net, large where a student is small, without norms or gates."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ensharpen_edge.errors import UsageError
from ensharpen_edge.models.config import LARGEST_DEPTH, LARGEST_WIDTH, UNSHUFFLE, check_name
from ensharpen_edge.models.student import Outputs
from ensharpen_edge.models.upsampling import ShuffleUpsample


@dataclass(frozen=True)
class TeacherConfig:
    """Shape of one teacher.

    Attributes:
        name: Registry name.
        widths: Channels at 1/2, 1/4, 1/8 ... of the input resolution.
        depths: Residual blocks at each resolution on the way down; the last entry is the bottleneck. The way up has
            the same, without the bottleneck.
    """

    name: str
    widths: tuple[int, ...]
    depths: tuple[int, ...]

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.widths) != len(self.depths) or not 2 <= len(self.widths) <= 6:
            raise UsageError(f"teacher {self.name!r}: needs 2 to 6 widths and as many depths")
        if any(type(v) is not int or not 1 <= v <= LARGEST_WIDTH for v in self.widths):
            raise UsageError(f"teacher {self.name!r}: widths must be whole numbers, 1 to {LARGEST_WIDTH}")
        if any(type(v) is not int or not 0 <= v <= LARGEST_DEPTH for v in self.depths):
            raise UsageError(f"teacher {self.name!r}: depths must be whole numbers, 0 to {LARGEST_DEPTH}")

    @property
    def heads(self) -> tuple[str, ...]:
        """A teacher sharpens."""
        return ("sharpen",)

    @property
    def total_stride(self) -> int:
        """Input sides must be multiples of this."""
        return int(UNSHUFFLE ** len(self.widths))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {"family": "teacher", **dataclasses.asdict(self)}


class DenseBlock(nn.Module):
    """`x + conv3x3(relu(conv3x3(x)))`; the second convolution starts small."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.kaiming_normal_(self.second.weight)
        with torch.no_grad():
            self.second.weight.mul_(0.1)

    def forward(self, x: Tensor) -> Tensor:
        residual: Tensor = self.second(F.relu(self.first(x)))
        return x + residual


def _stack(channels: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(DenseBlock(channels) for _ in range(depth)))


class Teacher(nn.Module):
    """RGB in [0, 1] -> sharpened RGB in [0, 1], float (N, 3, H, W); not clipped in training mode.

    Raises:
        UsageError: H or W is no multiple of `config.total_stride`.
    """

    def __init__(self, config: TeacherConfig) -> None:
        super().__init__()
        self.config = config
        widths, depths = config.widths, config.depths
        self.unshuffle = nn.PixelUnshuffle(UNSHUFFLE)
        self.stem = nn.Conv2d(3 * UNSHUFFLE**2, widths[0], 3, padding=1)
        self.down = nn.ModuleList(_stack(w, d) for w, d in zip(widths[:-1], depths[:-1], strict=True))
        self.halve = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in itertools.pairwise(widths))
        self.middle = _stack(widths[-1], depths[-1])
        self.enlarge = nn.ModuleList(ShuffleUpsample(b, a) for a, b in itertools.pairwise(widths))
        self.up = nn.ModuleList(_stack(w, d) for w, d in zip(widths[:-1], depths[:-1], strict=True))
        self.head = nn.Conv2d(widths[0], 3 * UNSHUFFLE**2, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]
        self.shuffle = nn.PixelShuffle(UNSHUFFLE)

    def _encode(self, blocks: Tensor) -> tuple[list[Tensor], Tensor]:
        x, skips = self.stem(blocks), []
        for stack, halve in zip(self.down, self.halve, strict=True):
            x = stack(x)
            skips.append(x)
            x = halve(x)
        return skips, self.middle(x)

    def bottleneck(self, image: Tensor) -> Tensor:
        """Features at the lowest resolution."""
        return self._encode(self.unshuffle(image))[1]

    def set_active_depth(self, share: float) -> None:
        """Teachers are not grown: nothing happens."""

    def all_outputs(self, image: Tensor) -> Outputs:
        """See `Student.all_outputs`."""
        stride = self.config.total_stride
        if image.shape[-2] % stride or image.shape[-1] % stride:
            raise UsageError(f"the teacher needs sides that are multiples of {stride}, got {tuple(image.shape[-2:])}")
        blocks = self.unshuffle(image)
        skips, features = self._encode(blocks)
        x = features
        levels = zip(reversed(skips), reversed(self.enlarge), reversed(self.up), strict=True)
        for skip, enlarge, stack in levels:
            x = stack(enlarge(x) + skip)
        return Outputs({"sharpen": self.shuffle(blocks + self.head(x))}, {}, features, None)

    def forward(self, image: Tensor) -> Tensor:
        out = self.all_outputs(image).images["sharpen"]
        return out if self.training else out.clamp(0.0, 1.0)


TEACHER = TeacherConfig("teacher", widths=(64, 128, 256, 256), depths=(1, 2, 3, 4))
TEACHER_CPU = TeacherConfig("teacher-cpu", widths=(32, 64, 128), depths=(1, 2, 6))
