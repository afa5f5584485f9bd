"""Photographs that come with the package, so that everything can be judged without a data set."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from ensharpen_edge.arrays import U8
from ensharpen_edge.imaging.decode import read_photo


def bundled_photos() -> list[tuple[str, U8]]:
    """Name and pixels, uint8 (256, 256, 3): sharp, and never trained on."""
    folder = Path(str(resources.files("ensharpen_edge.imaging"))) / "bundled_photos"
    return [(path.stem, read_photo(path).rgb) for path in sorted(folder.glob("*.png"))]


WINDOWS = ((128, 128), (64, 200), (192, 72))
"""(height, width) of the windows that exports are compared with their network on: square, wide, tall."""
