"""The student family as data: every network is a frozen configuration."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

from ensharpen_edge.errors import UsageError

TOTAL_STRIDE = 8
"""Input height and width must be multiples of this: one unshuffle by 2 and two stride-2 convolutions."""

WINDOW = 8
"""Side of pooling blocks and attention windows, in bottleneck pixels (1/8 of the input)."""

Upsampling = Literal["pixelshuffle", "nearest", "bilinear", "transposed"]
Attention = Literal["none", "channel", "spatial", "block"]

HEAD_SCALES: dict[str, int] = {"sharpen": 1, "denoise": 1, "colour": 1, "upscale2": 2, "upscale4": 4}
"""Tasks and how much larger than the input their image is."""

UNSHUFFLE = 2
"""Side of the pixel block that the first PixelUnshuffle moves into channels."""

LARGEST_WIDTH, LARGEST_DEPTH = 4096, 256
"""Far above any student: a card that asks for more is damaged."""

QUANTIZED = "-int8"
"""In the names of quantized checkpoints, each of which belongs to a float one; see `calibration.qat.checkpoint`."""


@dataclass(frozen=True)
class StudentConfig:
    """Shape of one student network.

    Attributes:
        name: Registry name.
        widths: Channels at 1/2, 1/4 and 1/8 of the input resolution.
        depths: Residual blocks in e1 (1/2), e2 (1/4), the bottleneck (1/8), d2 (1/4), d1 (1/2).
        expansion: Channel expansion inside a residual block.
        branches: True for the training form, whose depthwise kernels are sums of parallel branches; False for
            the folded form, plain convolutions only.
        dense: True when each depthwise + pointwise pair has been merged into one dense 3x3 convolution.
        upsampling: How the decoder doubles the resolution: 1x1 convolution and PixelShuffle, the same as one
            transposed 2x2 convolution, or 1x1 convolution and nearest or bilinear interpolation.
        attention: Gate after the bottleneck: per channel from a global mean, per position, or per channel from the
            mean of aligned 8x8 blocks.
        windows: Blocks of self-attention within aligned 8x8 windows, after the bottleneck's residual blocks.
        heads: Tasks; the network returns one image for each (`HEAD_SCALES`).
        multiscale: Auxiliary images at 1/4 and 1/2 for deep supervision. Training only; folding drops them.
        estimator: A small convolution that estimates blur and noise per position, and gates the bottleneck with it.
    """

    name: str
    widths: tuple[int, int, int]
    depths: tuple[int, int, int, int, int]
    expansion: int = 2
    branches: bool = True
    dense: bool = False
    upsampling: Upsampling = "pixelshuffle"
    attention: Attention = "none"
    windows: int = 0
    heads: tuple[str, ...] = ("sharpen",)
    multiscale: bool = False
    estimator: bool = False

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.widths) != 3 or len(self.depths) != 5:
            raise UsageError(f"model {self.name!r}: needs 3 widths and 5 depths, got {self.widths}, {self.depths}")
        if any(type(value) is not int for value in (*self.widths, *self.depths, self.expansion, self.windows)):
            raise UsageError(f"model {self.name!r}: widths, depths, expansion and windows must be whole numbers")
        if not all(1 <= width <= LARGEST_WIDTH for width in self.widths) or not 1 <= self.expansion <= 8:
            raise UsageError(f"model {self.name!r}: widths must be 1 to {LARGEST_WIDTH}, expansion 1 to 8")
        if not all(0 <= depth <= LARGEST_DEPTH for depth in self.depths):
            raise UsageError(f"model {self.name!r}: depths must be 0 to {LARGEST_DEPTH}")
        if self.dense and self.branches:
            raise UsageError(f"model {self.name!r}: dense kernels exist only in the folded form")
        for name, kinds in (("upsampling", get_args(Upsampling)), ("attention", get_args(Attention))):
            if getattr(self, name) not in kinds:
                raise UsageError(f"model {self.name!r}: {name} must be one of {', '.join(kinds)}")
        if not 0 <= self.windows <= LARGEST_DEPTH or (self.windows and self.widths[2] % 4):
            raise UsageError(f"model {self.name!r}: windows needs a bottleneck width that is a multiple of 4")
        if not self.heads or len(set(self.heads)) != len(self.heads) or not set(self.heads) <= set(HEAD_SCALES):
            raise UsageError(
                f"model {self.name!r}: heads must be different ones of {', '.join(HEAD_SCALES)}, got {self.heads}"
            )

    @property
    def total_stride(self) -> int:
        """Sides, and tile origins, must be multiples of this, or blocks and windows would fall elsewhere."""
        return TOTAL_STRIDE * WINDOW if self.attention == "block" or self.windows else TOTAL_STRIDE

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; `from_dict` reads them back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Any) -> StudentConfig:  # noqa: ANN401 (whatever a JSON file holds)
        """Build from `to_dict` output.

        Raises:
            UsageError: Unknown or missing fields.
        """
        return fields_from_dict(cls, data)


RESERVED_NAMES = ("best", "provenance", "state")
"""Files of a run that a network's own would overwrite."""


def check_name(name: Any) -> None:  # noqa: ANN401 (whatever a card or recipe holds)
    """Raise `UsageError` unless a network's name can be a file's: files are named after it."""
    if name in RESERVED_NAMES:
        raise UsageError(f"{name!r} is the name of another file of a run", hint="call the network something else")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._ +-]{0,63}", name):
        raise UsageError(f"a network's name is made of letters, digits, '.', '_', '+' and '-', got {name!r}")


Config = TypeVar("Config")


def fields_from_dict(cls: type[Config], data: Any) -> Config:  # noqa: ANN401 (whatever a JSON file holds)
    """Build a flat configuration class from a JSON table; lists become tuples.

    Raises:
        UsageError: Unknown or missing fields.
    """
    if not isinstance(data, dict):
        raise UsageError(f"network configuration: not a table of fields but {type(data).__name__}")
    known = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(data) - known)
    if unknown:
        raise UsageError(f"network configuration: unknown fields {', '.join(unknown)}")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
    try:
        return cls(**values)
    except TypeError as error:
        raise UsageError(f"network configuration: {error}") from error


NANO = StudentConfig("nano", widths=(16, 32, 64), depths=(2, 2, 3, 2, 2))
SMALL = StudentConfig("small", widths=(32, 64, 128), depths=(2, 2, 4, 2, 2))
BASE = StudentConfig("base", widths=(48, 96, 192), depths=(2, 4, 6, 4, 2))
