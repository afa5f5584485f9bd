"""Instructions for feeding a model file: text inside the file, for apps that bundle nothing else of an artifact."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ensharpen_edge.artifact_manifest import FLOAT_DTYPE, IoContract
from ensharpen_edge.export.targets.options import Size
from ensharpen_edge.models.network import Network

CONTRACT = "ensharpen.json"
"""Name of the text."""

PADDING = (
    "A photograph that is smaller than the window, or whose sides are no multiples of multiple_of, is mirrored at its "
    "bottom and right edge (the edge pixel itself is not repeated) and cut again afterwards; nothing is added at the "
    "top and left."
)
WINDOWS = (
    "All windows have one size; their origins are multiples of multiple_of. Where windows meet, halo pixels of each "
    "are thrown away; where a window ends with the photograph, nothing is thrown away and no context is added. The "
    "last window of a row or column is moved inwards until it ends with the (mirrored) photograph."
)


@dataclass(frozen=True)
class FileSizes:
    """Sizes of the inputs that a file takes.

    Attributes:
        named: (height, width) of each in pixels, the usual one first; none means any.
        between: Whether all between the smallest and the largest of them are taken as well.
        multiple_of: Sides of any other input are multiples of this, in pixels.
    """

    named: tuple[Size, ...] = ()
    between: bool = False
    multiple_of: int = 1

    def __str__(self) -> str:
        named = "any size" if not self.named else ", ".join(f"{height}x{width}" for height, width in self.named)
        if self.between:
            named = f"{named} and all between"
        return named if self.named and not self.between else f"{named}, sides multiples of {self.multiple_of}"


@dataclass(frozen=True)
class Feeding:
    """Everything an app has to know to feed a file.

    Attributes:
        io: Names, layout, dtype and enlargement of its images.
        sizes: Sizes that it takes.
        tile_exact: Whether windows give what the whole photograph would.
        pictures: Whether input and output are pictures of the system, not arrays.
    """

    io: IoContract
    sizes: FileSizes
    tile_exact: bool
    pictures: bool = False

    @property
    def numbers(self) -> str:
        """The numbers that stand for black and white, in words."""
        if self.pictures:
            return "8-bit RGB picture"
        black, white = self.io.ends
        words = {"uint8": "8-bit pixels", "int8": "8-bit pixels less 128", FLOAT_DTYPE: "pixels / 255"}[self.io.dtype]
        return f"RGB, {words} ({black:g} to {white:g}), {self.io.layout}"

    @property
    def input_text(self) -> str:
        """A sentence about the input."""
        return f"{self.numbers}; {self.sizes}"

    @property
    def output_text(self) -> str:
        """A sentence about the output."""
        times = self.io.enlarges
        return f"{self.numbers}, " + ("of the same size" if times == 1 else f"{times} times as high and wide")

    def contract(self, network: Network) -> str:
        """Return all of it as JSON, with the network's weights and geometry."""
        shape = network.geometry
        black, white = self.io.ends
        image = {
            "layout": "picture" if self.pictures else self.io.layout,
            "dtype": self.io.dtype,
            "black": black,
            "white": white,
            "channels": self.io.channels,
            "colour_space": self.io.colour_space,
        }
        contract: dict[str, Any] = {
            "checkpoint_sha256": network.facts.sha256,
            "input": {"name": self.io.input_name, **image},
            "output": {"name": self.io.output_name, **image, "enlarges": self.io.enlarges},
            "sizes": [list(size) for size in self.sizes.named] or None,
            "sizes_between": self.sizes.between,
            "sides_multiple_of": self.sizes.multiple_of,
            "multiple_of": shape.total_stride,
            "halo": shape.halo,
            "receptive_radius": shape.receptive_radius,
            "tile_exact": shape.tile_exact and self.tile_exact,
            "padding": PADDING,
            "windows": WINDOWS,
        }
        return json.dumps(contract, indent=1, sort_keys=True) + "\n"
