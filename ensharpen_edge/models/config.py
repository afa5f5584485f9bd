"""The student family as data: every network is a frozen configuration."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from ensharpen_edge.errors import UsageError

TOTAL_STRIDE = 8
"""Input height and width must be multiples of this: one unshuffle by 2 and two stride-2 convolutions."""

UNSHUFFLE = 2
"""Side of the pixel block that the first PixelUnshuffle moves into channels."""

LARGEST_WIDTH, LARGEST_DEPTH = 4096, 256
"""Far above any student: a card that asks for more is damaged."""


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
    """

    name: str
    widths: tuple[int, int, int]
    depths: tuple[int, int, int, int, int]
    expansion: int = 2
    branches: bool = True
    dense: bool = False

    def __post_init__(self) -> None:
        if len(self.widths) != 3 or len(self.depths) != 5:
            raise UsageError(f"model {self.name!r}: needs 3 widths and 5 depths, got {self.widths}, {self.depths}")
        if any(type(value) is not int for value in (*self.widths, *self.depths, self.expansion)):
            raise UsageError(f"model {self.name!r}: widths, depths and expansion must be whole numbers")
        if not all(1 <= width <= LARGEST_WIDTH for width in self.widths) or not 1 <= self.expansion <= 8:
            raise UsageError(f"model {self.name!r}: widths must be 1 to {LARGEST_WIDTH}, expansion 1 to 8")
        if not all(0 <= depth <= LARGEST_DEPTH for depth in self.depths):
            raise UsageError(f"model {self.name!r}: depths must be 0 to {LARGEST_DEPTH}")
        if self.dense and self.branches:
            raise UsageError(f"model {self.name!r}: dense kernels exist only in the folded form")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; `from_dict` reads them back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Any) -> StudentConfig:  # noqa: ANN401 (whatever a JSON file holds)
        """Build from `to_dict` output.

        Raises:
            UsageError: Unknown or missing fields.
        """
        if not isinstance(data, dict):
            raise UsageError(f"student config: not a table of fields but {type(data).__name__}")
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(data) - known)
        if unknown:
            raise UsageError(f"student config: unknown fields {', '.join(unknown)}")
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in data.items()
        }
        try:
            return cls(**values)
        except TypeError as error:
            raise UsageError(f"student config: {error}") from error


NANO = StudentConfig("nano", widths=(16, 32, 64), depths=(2, 2, 3, 2, 2))
SMALL = StudentConfig("small", widths=(32, 64, 128), depths=(2, 2, 4, 2, 2))
BASE = StudentConfig("base", widths=(48, 96, 192), depths=(2, 4, 6, 4, 2))
