"""The crops of a run: each is drawn, degraded, and answered by the float parent once, when it is first wanted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ensharpen_edge.calibration.qat.graph_module import GraphModule
from ensharpen_edge.data.source import PhotoSource
from ensharpen_edge.training.batches import Batch, BatchSource, degrade_groups
from ensharpen_edge.training.config import TrainConfig
from ensharpen_edge.training.curriculum import place_by_steps

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class _Crop:
    """One crop.

    Attributes:
        degraded, sharp: Input and truth, uint8 (3, S, S).
        answer: The parent's, half precision (3, S, S): exact to a tenth of a code.
        name: Name of the photograph.
    """

    degraded: Tensor
    sharp: Tensor
    answer: Tensor
    name: str


class CropPool:
    """Batches by step. The number of a crop and the run's seed decide what it holds, and the step which crops a batch
    has: every crop once before any comes again. A run can so be cut and resumed anywhere.

    Inputs are rounded to 8 bits, as photographs in files are.

    Args:
        config: See `config.crops_config`.
        photos: Sources of sharp crops.
        parent: Answers, in evaluation mode.
        size: Crops of a batch.
        device: Device of the batches, and of the parent.
    """

    def __init__(
        self, config: TrainConfig, photos: PhotoSource, parent: GraphModule, size: int, device: torch.device
    ) -> None:
        self._config, self._parent, self._size, self._device = config, parent, size, device
        self._timeline = place_by_steps(config.stages, config.steps)
        self._source = BatchSource(config, self._timeline, photos)
        self._task = config.model.heads[0]
        self._made: dict[int, _Crop] = {}
        self._order = lru_cache(maxsize=2)(self._shuffled)

    @property
    def skipped(self) -> list[str]:
        """Photographs that turned out unusable so far, and why."""
        return self._source.photos.skipped

    def __len__(self) -> int:
        return self._config.steps

    def batch(self, step: int) -> Batch:
        """The batch of a step; `teacher` holds the parent's answers."""
        return self.crops(self._numbers(step))

    def crops(self, numbers: list[int]) -> Batch:
        """A batch of these crops."""
        made = [self._crop(number) for number in numbers]
        degraded = self._images([crop.degraded for crop in made]) / 255.0
        sharp = self._images([crop.sharp for crop in made]) / 255.0
        answers = self._images([crop.answer for crop in made])
        one = torch.ones(len(made), device=self._device)
        unknown = torch.full_like(one, torch.nan)
        names = tuple(crop.name for crop in made)
        return Batch(degraded, {self._task: sharp}, one, answers, one, unknown, unknown, names)

    def _images(self, crops: list[Tensor]) -> Tensor:
        return torch.stack(crops).to(self._device).float()

    def _numbers(self, step: int) -> list[int]:
        places = range(step * self._size, (step + 1) * self._size)
        return [int(self._order(place // len(self))[place % len(self)]) for place in places]

    def _shuffled(self, epoch: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.random.default_rng((self._config.seed, epoch)).permutation(len(self))

    def _crop(self, number: int) -> _Crop:
        if number not in self._made:
            drawn = degrade_groups(self._source[number], self._config, self._timeline, _CPU)
            degraded = _bytes(drawn.degraded)
            with torch.inference_mode():
                answer = self._parent(degraded.to(self._device).float() / 255.0)
            sharp = _bytes(drawn.targets[self._task])
            self._made[number] = _Crop(degraded[0], sharp[0], answer[0].to(_CPU, torch.float16), drawn.names[0])
        return self._made[number]


def _bytes(images: Tensor) -> Tensor:
    return (images.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8)
