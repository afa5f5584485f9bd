"""Curriculum: what the network sees when. Stages are data; a timeline places them on a run's steps."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from ensharpen_edge.errors import UsageError


@dataclass(frozen=True)
class Stage:
    """One part of a run.

    Attributes:
        mix: Name of the degradations: one of `MIXES`, or of the recipe's own.
        share: Length relative to the other stages: of the time when a run is given minutes, of the steps otherwise.
        crop: Side of the crops after degradation.
        batch: Crops per step, over all processes together.
        strength: Strength of blur and noise at the stage's start and end, linear in between (see `degrade`).
        depth: Share of each stack's residual blocks that run, for progressive growing.
        name: Name in the timeline; the mix's by default.
    """

    mix: str = "soft"
    share: float = 1.0
    crop: int = 136
    batch: int = 16
    strength: tuple[float, float] = (1.0, 1.0)
    depth: float = 1.0
    name: str = ""

    def __post_init__(self) -> None:
        if not 0.0 < self.share < float("inf"):
            raise UsageError(f"stage {self.title!r}: share must be above 0, got {self.share}")
        if self.crop < 1 or self.batch < 1:
            raise UsageError(f"stage {self.title!r}: crop and batch must be at least 1")
        if not all(0.0 <= end <= 1.0 for end in self.strength):
            raise UsageError(f"stage {self.title!r}: strength must lie in 0 to 1, got {self.strength}")
        if not 0.0 < self.depth <= 1.0:
            raise UsageError(f"stage {self.title!r}: depth must lie above 0 and up to 1, got {self.depth}")

    @property
    def title(self) -> str:
        """Name in the timeline."""
        return self.name or self.mix


@dataclass(frozen=True)
class Timeline:
    """Stages on steps.

    Attributes:
        stages: The stages, in order.
        steps: Length of each.
    """

    stages: tuple[Stage, ...]
    steps: tuple[int, ...]

    @property
    def total(self) -> int:
        """Steps of the whole run."""
        return sum(self.steps)

    @property
    def ends(self) -> tuple[int, ...]:
        """The first step after each stage."""
        return tuple(itertools.accumulate(self.steps))

    def index_at(self, step: int) -> int:
        """Return the number of the stage that `step` belongs to; the last one beyond the end."""
        return next((i for i, end in enumerate(self.ends) if step < end), len(self.stages) - 1)

    def strength_at(self, step: int) -> float:
        """Return the strength of the degradations at `step`."""
        index = self.index_at(step)
        first, last = self.stages[index].strength
        begin = self.ends[index] - self.steps[index]
        done = min(1.0, (step - begin) / max(1, self.steps[index] - 1))
        return first + (last - first) * done

    def megapixels(self, step: int) -> float:
        """Return the pixels seen before `step`, in millions."""
        seen = 0.0
        for stage, length, end in zip(self.stages, self.steps, self.ends, strict=True):
            seen += min(length, max(0, step - (end - length))) * stage.batch * stage.crop**2
        return seen / 1e6


def place_by_steps(stages: tuple[Stage, ...], total: int) -> Timeline:
    """Share `total` steps out to the stages; every stage gets at least one.

    Raises:
        UsageError: Fewer steps than stages.
    """
    if total < len(stages):
        raise UsageError(f"{total} steps are too few for {len(stages)} stages")
    whole = sum(stage.share for stage in stages)
    bounds = [round(total * share / whole) for share in itertools.accumulate(stage.share for stage in stages)]
    steps = [max(1, end - begin) for begin, end in itertools.pairwise([0, *bounds])]
    for _ in range(sum(steps) - total):
        steps[steps.index(max(steps))] -= 1
    return Timeline(stages, tuple(steps))


def place_by_time(stages: tuple[Stage, ...], minutes: float, seconds_per_step: tuple[float, ...]) -> Timeline:
    """Give every stage its share of the time, at the measured speed of its own steps."""
    whole = sum(stage.share for stage in stages)
    steps = (
        max(1, round(minutes * 60 * stage.share / whole / seconds))
        for stage, seconds in zip(stages, seconds_per_step, strict=True)
    )
    return Timeline(stages, tuple(steps))
