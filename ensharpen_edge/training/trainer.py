"""The training loop."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ensharpen_edge.data.crops import CropSampler
from ensharpen_edge.data.photos import PhotoSet, is_held_out
from ensharpen_edge.degrade.mix import DegradationMix, degrade
from ensharpen_edge.errors import BadInputError, UsageError
from ensharpen_edge.models.config import TOTAL_STRIDE, StudentConfig
from ensharpen_edge.models.student import Student
from ensharpen_edge.training.ema import WeightAverage
from ensharpen_edge.training.losses import charbonnier
from ensharpen_edge.training.schedule import cosine_with_warmup
from ensharpen_edge.training.state import Progress, load_state, save_state
from ensharpen_edge.training.validation import ValidationSet, validation_psnr, validation_set

STATE_FILE = "state.safetensors"
LOG_FILE = "log.jsonl"


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides the outcome of a run.

    Attributes:
        model: The student.
        steps: Length of the schedule; 0 lets `minutes` decide.
        minutes: Length of the schedule in time: a short timing at the start turns it into steps, which are kept
            from then on, so that a resumed run follows the same schedule.
        crop: Side of the training crops after degradation, a multiple of 8.
        batch: Crops per step.
        learning_rate: Peak of the cosine.
        weight_decay, clip: AdamW decay; largest gradient norm.
        ema: Decay of the weight average that is validated and shipped.
        seed: Of weights, crops and degradations.
        mix: The degradations.
    """

    model: StudentConfig
    steps: int = 0
    minutes: float = 0.0
    crop: int = 136
    batch: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    clip: float = 1.0
    ema: float = 0.999
    seed: int = 0
    mix: DegradationMix = field(default_factory=DegradationMix)

    def __post_init__(self) -> None:
        if (self.steps > 0) == (self.minutes > 0):
            raise UsageError("give either a number of steps or of minutes")
        if self.crop % TOTAL_STRIDE or self.crop < TOTAL_STRIDE:
            raise UsageError(f"crop must be a multiple of {TOTAL_STRIDE}, got {self.crop}")
        if not math.isfinite(self.minutes) or self.minutes < 0 or self.steps < 0:
            raise UsageError(f"the length of a run must be finite, got {self.steps} steps, {self.minutes} minutes")
        if not 0.0 < self.learning_rate < 1.0:
            raise UsageError(f"learning rate must lie between 0 and 1, got {self.learning_rate}")
        if self.batch < 1:
            raise UsageError(f"batch must be at least 1, got {self.batch}")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, for the state file and the card."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Intervals:
    """How often a run reports, validates and saves; no influence on the weights."""

    log_steps: int = 50
    validate_minutes: float = 5.0
    save_minutes: float = 3.0


Report = Callable[[dict[str, Any]], None]


class Trainer:
    """One run in one folder. `run()` trains to the end of the schedule, from the saved state if there is one."""

    def __init__(self, config: TrainConfig, photos: PhotoSet, folder: Path, intervals: Intervals = Intervals()) -> None:
        self.config = config
        self.folder = folder
        self.intervals = intervals
        torch.manual_seed(config.seed)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.model = Student(config.model).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, foreach=True
        )
        self.average = WeightAverage(self.model, config.ema)
        self.progress = Progress(0, config.steps, -math.inf, 0.0)
        training = photos.subset(lambda name: not is_held_out(name))
        held_out = photos.subset(is_held_out)
        if not len(held_out) or not len(training):
            raise BadInputError(
                f"{len(photos)} photographs are too few to hold one in 16 out for validation",
                hint="add photographs",
            )
        self.crops = CropSampler(training, config.crop + 2 * config.mix.margin)
        self.validation: ValidationSet = validation_set(held_out)

    def resume(self) -> bool:
        """Load the saved state. False when there is none."""
        path = self.folder / STATE_FILE
        if not path.exists():
            return False
        self.progress = load_state(
            path, self.model, self.optimizer, self.average, self.generator, self.config.to_dict()
        )
        return True

    def step(self) -> float:
        """One optimisation step; returns the loss.

        Raises:
            BadInputError: The loss is not finite; the saved state is untouched.
        """
        degraded, target = degrade(self.crops.draw(self.config.batch, self.generator), self.config.mix, self.generator)
        rate = cosine_with_warmup(self.progress.step, self.progress.total_steps or 10**9, self.config.learning_rate)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = charbonnier(self.model(degraded.to(memory_format=torch.channels_last)), target)
        if not torch.isfinite(loss):
            raise BadInputError(
                f"the loss became {loss.item()} at step {self.progress.step}",
                hint="lower the learning rate and resume from the last saved state",
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimizer.step()
        self.average.update(self.model)
        self.progress = dataclasses.replace(self.progress, step=self.progress.step + 1)
        return float(loss.detach())

    def averaged_student(self) -> Student:
        """A student with the averaged weights."""
        student = Student(self.config.model)
        student.load_state_dict(self.average.average)
        return student.eval()

    def save(self) -> None:
        """Write the state file."""
        save_state(
            self.folder / STATE_FILE, self.model, self.optimizer, self.average, self.generator, self.progress,
            self.config.to_dict(),
        )  # fmt: skip

    def validation_scores(self) -> tuple[float, float]:
        """Mean validation PSNR (dB) of the degraded input and of the averaged weights' output."""
        return validation_psnr(self.averaged_student(), self.validation)

    def validate(self) -> dict[str, float]:
        """`validation_scores` for the log; remembers the best."""
        before, after = self.validation_scores()
        self.progress = dataclasses.replace(self.progress, best_psnr=max(self.progress.best_psnr, after))
        return {"val_degraded": round(before, 4), "val_psnr": round(after, 4)}

    def run(self, report: Report) -> Student:
        """Train to the end; `report` receives one dictionary per log interval. Returns the averaged student."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.progress.total_steps:
            self._measure_length()
        losses: list[float] = []
        started = last_tick = time.monotonic()
        spent_before = self.progress.seconds
        next_save = started + self.intervals.save_minutes * 60
        next_validation = started + self.intervals.validate_minutes * 60
        while self.progress.step < self.progress.total_steps:
            losses.append(self.step())
            now = time.monotonic()
            self.progress = dataclasses.replace(self.progress, seconds=spent_before + now - started)
            if self.progress.step % self.intervals.log_steps == 0:
                pixels = len(losses) * self.config.batch * self.config.crop**2
                record: dict[str, Any] = {
                    "step": self.progress.step,
                    "of": self.progress.total_steps,
                    "seconds": round(self.progress.seconds, 1),
                    "loss": round(sum(losses) / len(losses), 6),
                    "mp_per_s": round(pixels / (now - last_tick) / 1e6, 3),
                }
                if now >= next_validation:
                    record |= self.validate()
                    next_validation = now + self.intervals.validate_minutes * 60
                self._log(record, report)
                losses, last_tick = [], time.monotonic()
            if now >= next_save:
                self.save()
                next_save = now + self.intervals.save_minutes * 60
        self._log({"step": self.progress.step, "of": self.progress.total_steps, **self.validate()}, report)
        self.save()
        return self.averaged_student()

    def _measure_length(self, probe: int = 30) -> None:
        for _ in range(3):
            self.step()
        start = time.monotonic()
        for _ in range(probe):
            self.step()
        per_step = (time.monotonic() - start) / probe
        total = max(self.progress.step + 1, int(self.config.minutes * 60 / per_step))
        self.progress = dataclasses.replace(self.progress, total_steps=total)

    def _log(self, record: dict[str, Any], report: Report) -> None:
        with (self.folder / LOG_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        report(record)
