"""Batches by step: step and seed alone decide what a batch holds, so a run can be cut and resumed anywhere."""

from __future__ import annotations

import dataclasses
import hashlib
import signal
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ensharpen_edge.data.crops import oriented
from ensharpen_edge.data.source import PhotoSource
from ensharpen_edge.errors import BadInputError, EnsharpenError, UsageError
from ensharpen_edge.training.ahead import Ahead
from ensharpen_edge.training.config import TrainConfig
from ensharpen_edge.training.curriculum import Timeline
from ensharpen_edge.training.distillation.labels import Labels
from ensharpen_edge.training.tasks import make_tasks, sharp_side


@dataclass(frozen=True)
class Batch:
    """The images that one step trains on.

    Attributes:
        degraded: Input, float (N, 3, H, W).
        targets: Images that each task should return, by task, float (N, 3, sH, sW).
        known: (N,) 1 where the target is the truth, 0 where it is not known.
        teacher: A teacher's image from the labels, float (N, 3, H, W), or None when no image has one.
        labelled: (N,) 1 where `teacher` holds an answer.
        blur, noise: Blur and noise of each image; NaN where unknown.
        names: The photograph of each.
        skipped: Files that turned out unusable while this batch was drawn, and why.
    """

    degraded: Tensor
    targets: dict[str, Tensor]
    known: Tensor
    teacher: Tensor | None
    labelled: Tensor
    blur: Tensor
    noise: Tensor
    names: tuple[str, ...]
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True)
class RawGroup:
    """Crops of one random generator, before degradation.

    Attributes:
        crops: uint8 (N, 3, S, S), sharp.
        labels: uint8 (3, M, 3, C, C): degraded, teacher, sharp of M labelled crops.
        known: bool (M,): whether the sharp image of a label is known.
        names: Names of the photographs of all N + M.
        seed: Seed of the degradations.
        step: Number of the step, for the curriculum.
        skipped: See `Batch`.
    """

    crops: Tensor
    labels: Tensor
    known: Tensor
    names: tuple[str, ...]
    seed: int
    step: int
    skipped: tuple[str, ...] = ()


def derive_seed(*parts: int) -> int:
    """Return a 63-bit seed that differs for every combination of numbers."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


class BatchSource(Dataset[list[RawGroup]]):
    """Raw groups of any step; of one process in a distributed run.

    Args:
        config: The run.
        timeline: Its stages.
        photos: Sources of sharp crops.
        labels: A teacher's labels, or None.
        rank, world: This process and their number.

    Raises:
        UsageError: A batch cannot be shared out evenly.
    """

    def __init__(
        self,
        config: TrainConfig,
        timeline: Timeline,
        photos: PhotoSource,
        labels: Labels | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        for stage in timeline.stages:
            if world > 1 and stage.batch % (config.group * world):
                raise UsageError(
                    f"stage {stage.title!r}: a batch of {stage.batch} cannot be shared by {world} processes in groups "
                    f"of {config.group}",
                    hint=f"make it a multiple of {config.group * world}, or lower `group`",
                )
            if labels is not None and labels.degraded.shape[-1] < stage.crop:
                raise BadInputError(
                    f"the labels are {labels.degraded.shape[-1]} pixels wide, stage {stage.title!r} wants {stage.crop}"
                )
        self.config, self.timeline, self.photos, self.labels = config, timeline, photos, labels
        self.rank, self.world = rank, world

    def __len__(self) -> int:
        return self.timeline.total

    def __getitem__(self, step: int) -> list[RawGroup]:
        batch, group = self.timeline.stages[self.timeline.index_at(step)].batch, self.config.group
        starts = range(0, batch, group)
        return [self._group(step, i, starts[i], batch) for i in range(self.rank, len(starts), self.world)]

    def _group(self, step: int, number: int, start: int, batch: int) -> RawGroup:
        stage = self.timeline.stages[self.timeline.index_at(step)]
        generator = torch.Generator().manual_seed(derive_seed(self.config.seed, step, number))
        share = self.config.distillation.labelled if self.config.distillation and self.labels is not None else 0.0
        end = min(start + self.config.group, batch)
        count = end - start
        labelled = round(share * end) - round(share * start)  # so that small groups get their share, too
        side = sharp_side(stage.crop, self.config.scale)
        pixels = np.empty((0, 3, side, side), dtype=np.uint8)
        names: tuple[str, ...] = ()
        earlier = len(self.photos.skipped)
        if count > labelled:
            crops = self.photos.sampler(step, side).draw(count - labelled, generator)
            pixels, names = crops.pixels, crops.names
        labels, known, chosen = self._labels(labelled, stage.crop, generator)
        seed = derive_seed(self.config.seed, step, number, 1)
        skipped = tuple(self.photos.skipped[earlier:])
        return RawGroup(torch.from_numpy(pixels), labels, known, names + chosen, seed, step, skipped)

    def _labels(self, count: int, crop: int, generator: torch.Generator) -> tuple[Tensor, Tensor, tuple[str, ...]]:
        if not count or self.labels is None:
            return torch.empty(3, 0, 3, crop, crop, dtype=torch.uint8), torch.empty(0, dtype=torch.bool), ()
        index = torch.randint(0, len(self.labels), (count,), generator=generator).tolist()
        place = torch.rand(count, 2, generator=generator).tolist()
        turn = torch.randint(0, 8, (count,), generator=generator).tolist()
        room = self.labels.degraded.shape[-1] - crop + 1
        drawn = np.empty((3, count, 3, crop, crop), dtype=np.uint8)
        for row, (label, (y, x), orientation) in enumerate(zip(index, place, turn, strict=True)):
            top, left = int(y * room), int(x * room)
            for layer, images in enumerate((self.labels.degraded, self.labels.teacher, self.labels.sharp)):
                part = images[label, :, top : top + crop, left : left + crop].transpose(1, 2, 0)
                drawn[layer, row] = oriented(part, orientation).transpose(2, 0, 1)
        known = torch.from_numpy(self.labels.has_sharp[index])
        return torch.from_numpy(drawn), known, tuple(f"label {label}" for label in index)


def degrade_groups(groups: list[RawGroup], config: TrainConfig, timeline: Timeline, device: torch.device) -> Batch:
    """Degrade on `device` and put the groups together."""
    batch = _join([_degrade_group(group, config, timeline, device) for group in groups])
    return dataclasses.replace(batch, skipped=tuple(line for group in groups for line in group.skipped))


def _degrade_group(group: RawGroup, config: TrainConfig, timeline: Timeline, device: torch.device) -> Batch:
    stage = timeline.stages[timeline.index_at(group.step)]
    generator = torch.Generator(device).manual_seed(group.seed)
    parts = []
    count = len(group.crops)
    if count:
        sharp = group.crops.to(device).float().div_(255.0)
        mix = config.known_mixes[stage.mix]
        tasks = make_tasks(sharp, config.model.heads, mix, generator, timeline.strength_at(group.step))
        one, none = torch.ones(count, device=device), torch.zeros(count, device=device)
        parts.append(
            Batch(tasks.degraded, tasks.targets, one, None, none, tasks.blur, tasks.noise, group.names[:count])
        )
    if len(group.known):
        degraded, teacher, sharp = group.labels.to(device).float().div_(255.0)
        known = group.known.to(device).float()
        unknown = torch.full_like(known, torch.nan)
        targets = dict.fromkeys(config.model.heads, sharp)
        parts.append(
            Batch(degraded, targets, known, teacher, torch.ones_like(known), unknown, unknown, group.names[count:])
        )
    return _join(parts)


def _join(batches: list[Batch]) -> Batch:
    if len(batches) == 1:
        return batches[0]
    teacher = None
    if any(batch.teacher is not None for batch in batches):
        teacher = torch.cat([b.degraded if b.teacher is None else b.teacher for b in batches])
    heads = batches[0].targets
    return Batch(
        torch.cat([b.degraded for b in batches]),
        {head: torch.cat([b.targets[head] for b in batches]) for head in heads},
        torch.cat([b.known for b in batches]),
        teacher,
        torch.cat([b.labelled for b in batches]),
        torch.cat([b.blur for b in batches]),
        torch.cat([b.noise for b in batches]),
        tuple(name for b in batches for name in b.names),
    )


def degrade_ahead(
    drawn: Iterable[list[RawGroup] | EnsharpenError], config: TrainConfig, timeline: Timeline, device: torch.device
) -> Iterator[Batch]:
    """Yield batches that another thread degrades on `device` while the calling one trains; the same ones, in order."""

    def make(groups: list[RawGroup] | EnsharpenError) -> Batch:
        if isinstance(groups, EnsharpenError):
            raise groups
        return degrade_groups(groups, config, timeline, device)

    for batch, made in Ahead(drawn, make, device):
        if made is not None:
            current = torch.cuda.current_stream(device)
            current.wait_event(made)
            for tensor in _tensors(batch):
                tensor.record_stream(current)  # or its memory would be given away while this stream still reads it
        yield batch


def _tensors(batch: Batch) -> Iterator[Tensor]:
    yield from (batch.degraded, *batch.targets.values(), batch.known, batch.labelled, batch.blur, batch.noise)
    if batch.teacher is not None:
        yield batch.teacher


class _DegradedSource(Dataset[Batch]):
    """Batches that are degraded where they are drawn: in the worker process of a run on CPUs."""

    def __init__(self, source: BatchSource) -> None:
        self.source = source

    def __getitem__(self, step: int) -> Batch | EnsharpenError:  # type: ignore[override]
        try:
            return degrade_groups(self.source[step], self.source.config, self.source.timeline, torch.device("cpu"))
        except EnsharpenError as error:
            return error  # raised in a worker, it would arrive as the text of a traceback


class _RawSource(Dataset[list[RawGroup]]):
    """Raw groups, for runs that degrade on a GPU."""

    def __init__(self, source: BatchSource) -> None:
        self.source = source

    def __getitem__(self, step: int) -> list[RawGroup] | EnsharpenError:  # type: ignore[override]
        try:
            return self.source[step]
        except EnsharpenError as error:
            return error


def _leave_signals_to_the_loop(worker: int) -> None:
    """Ctrl-C and a batch system's SIGTERM reach all processes of a run. The loop ends its step and saves; until then it
    needs its workers, which end when it does."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def iterate_batches(
    source: BatchSource, first: int, device: torch.device, workers: int = 1
) -> Generator[Batch, None, None]:
    """Return the batches of steps `first` to the end of the timeline, on `device`.

    Workers read and cut photographs ahead of the training loop. On CPUs they degrade as well; on a GPU the crops are
    sent as bytes and degraded there. Close the generator when it is not used up: that ends its workers.

    Args:
        source: Source of the batches.
        first: First step.
        device: Device that the batches are wanted on.
        workers: Processes that work ahead; 0 does everything in the calling one.
    """
    on_cpu = device.type == "cpu"
    dataset: Dataset[Batch] | Dataset[list[RawGroup]] = _DegradedSource(source) if on_cpu else _RawSource(source)
    loader = DataLoader(
        dataset,
        batch_size=None,
        sampler=range(first, source.timeline.total),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_leave_signals_to_the_loop,
        pin_memory=False,
    )
    if on_cpu:
        for drawn in loader:
            if isinstance(drawn, EnsharpenError):
                raise drawn
            yield drawn
    else:
        yield from degrade_ahead(loader, source.config, source.timeline, device)
