"""Where training crops come from: a folder that fits into memory, or shards that do not."""

from __future__ import annotations

from typing import Protocol

from ensharpen_edge.data.crops import CropSampler
from ensharpen_edge.data.photos import PhotoSet


class PhotoSource(Protocol):
    """Photographs by step.

    Attributes:
        skipped: `name: reason` of the photographs that turned out unusable so far.
    """

    skipped: list[str]

    def sampler(self, step: int, size: int) -> CropSampler:
        """Return a sampler of crops of `size` pixels over the photographs that are at hand at `step`.

        The same step always gives the same photographs, whatever was asked before, so a resumed run sees what an
        uninterrupted one would have seen.
        """
        ...


class FolderSource:
    """All photographs at every step."""

    def __init__(self, photos: PhotoSet) -> None:
        self.photos = photos
        self.skipped: list[str] = []  # unusable files of a folder are found when it is loaded
        self._samplers: dict[int, CropSampler] = {}

    def sampler(self, step: int, size: int) -> CropSampler:
        """See `PhotoSource.sampler`."""
        del step
        if size not in self._samplers:
            self._samplers[size] = CropSampler(self.photos, size)
        return self._samplers[size]
