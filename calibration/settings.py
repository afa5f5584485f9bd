"""Everything that decides a calibration table besides the network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ensharpen_edge.calibration.collect import DEFAULT_SAMPLES
from ensharpen_edge.calibration.equalise import STRENGTH
from ensharpen_edge.calibration.histogram import BINS
from ensharpen_edge.calibration.moments import PATCHES
from ensharpen_edge.degrade.mix import MARGIN, DegradationMix
from ensharpen_edge.degrade.mixes import MIXES
from ensharpen_edge.errors import UsageError

ANY_PHOTO = "photo"
"""Name of the mix for networks that do not say what they were trained with."""

DETAILED = 16
"""Crops that channel peaks and moments are taken from; they vary less between photographs than extremes do."""


@dataclass(frozen=True)
class CalibrationSettings:
    """The photographs that a network is calibrated with, the crops of them, and how they are looked at.

    One object from the command or the call to the table's key.

    Attributes:
        data: Folder of sharp photographs; where a finished table serves as well, the table's folder.
        count: Number of crops, at least 2.
        crop: Side of the network's inputs in pixels, at least 16; the chosen crops are larger by the mix's margins.
        seed: Seed of the candidates' positions and of the degradations.
        allow_few: Accept fewer than 16 distinct photographs.
        mix: The degradations; None stands for those that the network was trained with.
        samples: Values of a tensor that are counted per crop, see `collect.DEFAULT_SAMPLES`; 0 counts all of them.
        equalise: Make the channels of a tensor alike first (see `equalise`).
        threads: CPU threads of the network; 0 takes OMP_NUM_THREADS, or all cores. No influence on the table.
        cache: Folder of decoded photographs, or None to decode into memory.

    Raises:
        UsageError: A number is out of its range.
    """

    data: Path
    count: int = 128
    crop: int = 256
    seed: int = 0
    allow_few: bool = False
    mix: DegradationMix | None = None
    samples: int = DEFAULT_SAMPLES
    equalise: bool = True
    threads: int = 0
    cache: Path | None = None

    def __post_init__(self) -> None:
        for name, smallest in (("count", 2), ("crop", 16), ("samples", 0), ("threads", 0)):
            value = getattr(self, name)
            if value < smallest:
                raise UsageError(f"{name} must be at least {smallest}, got {value}")

    @property
    def chosen_side(self) -> int:
        """Side of the crops to choose, in pixels: degrading them uses up their margins."""
        return self.crop + 2 * MARGIN

    @property
    def degradations(self) -> DegradationMix:
        """The mix, or the one for any photograph as long as no network has said which."""
        return self.mix or MIXES[ANY_PHOTO]

    def preprocessing(self) -> dict[str, Any]:
        """Return what is done to the crops, with every parameter of the mix, as JSON types for the table's key."""
        return {"mix": self.degradations.to_dict(), "crop": self.crop, "seed": self.seed}

    def collector(self) -> dict[str, Any]:
        """Return how tensors are looked at, as JSON types for the table's key."""
        return {
            "bins": BINS,
            "samples": self.samples,
            "equalise": STRENGTH if self.equalise else None,
            "detailed crops": DETAILED,
            "patches": PATCHES,
        }
