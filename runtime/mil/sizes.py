"""The image sizes that a Core ML model's description declares (Core ML's FeatureTypes specification)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Size = tuple[int, int]

ALIGNMENT = 32
"""Sides are multiples of it: half-precision outputs of other widths have been seen wrong on devices (coremltools issue
1893), and networks have a grid of their own. A range cannot say so, so whoever feeds a package must know."""


@dataclass(frozen=True)
class DeclaredSizes:
    """The sizes that a model takes.

    Attributes:
        default: The default (height, width).
        others: The enumerated sizes, the default among them; empty for one size and for a range.
        range: The smallest and the largest (height, width), or None.
    """

    default: Size
    others: tuple[Size, ...] = ()
    range: tuple[Size, Size] | None = None

    def accepts(self, size: Size) -> bool:
        """Return whether a (height, width) is declared, and of a range on the grid."""
        if self.range is not None:
            low, high = self.range
            on_grid = not any(side % ALIGNMENT for side in size)
            return on_grid and all(low[axis] <= size[axis] <= high[axis] for axis in (0, 1))
        return size in (self.default, *self.others)


def array_sizes(taken: Any) -> DeclaredSizes:  # noqa: ANN401 (ArrayFeatureType)
    """Return the sizes of an input of arrays, (1, 3, height, width)."""
    height, width = (int(side) for side in tuple(taken.shape)[2:4])
    flexibility = taken.WhichOneof("ShapeFlexibility")
    if flexibility == "enumeratedShapes":
        shapes = [tuple(int(side) for side in entry.shape) for entry in taken.enumeratedShapes.shapes]
        return DeclaredSizes((height, width), tuple((shape[2], shape[3]) for shape in shapes))
    if flexibility == "shapeRange":
        _, _, rows, columns = taken.shapeRange.sizeRanges
        low, high = (rows.lowerBound, columns.lowerBound), (rows.upperBound, columns.upperBound)
        return DeclaredSizes((height, width), range=(low, high))
    return DeclaredSizes((height, width))


def image_sizes(taken: Any) -> DeclaredSizes:  # noqa: ANN401 (ImageFeatureType)
    """Return the sizes of an input of images."""
    default = (int(taken.height), int(taken.width))
    flexibility = taken.WhichOneof("SizeFlexibility")
    if flexibility == "enumeratedSizes":
        return DeclaredSizes(
            default, tuple((int(size.height), int(size.width)) for size in taken.enumeratedSizes.sizes)
        )
    if flexibility == "imageSizeRange":
        rows, columns = taken.imageSizeRange.heightRange, taken.imageSizeRange.widthRange
        return DeclaredSizes(
            default, range=((rows.lowerBound, columns.lowerBound), (rows.upperBound, columns.upperBound))
        )
    return DeclaredSizes(default)
