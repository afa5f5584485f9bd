"""The training loop."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ensharpen_edge.data.source import PhotoSource
from ensharpen_edge.errors import BadInputError
from ensharpen_edge.files import sha256_of
from ensharpen_edge.models.student import Student
from ensharpen_edge.training.batches import Batch, BatchSource, degrade_groups, iterate_batches
from ensharpen_edge.training.clock import Clock
from ensharpen_edge.training.config import TrainConfig
from ensharpen_edge.training.curriculum import Timeline, place_by_steps, place_by_time
from ensharpen_edge.training.distillation.labels import Labels
from ensharpen_edge.training.distillation.teacher import CheckpointTeacher, OnnxTeacher
from ensharpen_edge.training.ema import WeightAverage
from ensharpen_edge.training.first_network import first_network
from ensharpen_edge.training.interruption import InterruptedRun, Interruption
from ensharpen_edge.training.log import Report, RunLog
from ensharpen_edge.training.objective import Objective
from ensharpen_edge.training.state import RunState, Standing, load_state, load_weights, save_state, save_weights
from ensharpen_edge.training.step import STATE_FILE, Stepper
from ensharpen_edge.training.validation import ValidationSet, picture, validate

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_PROBE_STEPS = 6


@dataclass(frozen=True)
class Intervals:
    """How often a run reports, validates and saves; no influence on the weights.

    Attributes:
        log_steps: Steps between log records.
        validations: Validations over the whole run, evenly spaced, the last at the end.
        save_minutes: Minutes between saved states.
    """

    log_steps: int = 50
    validations: int = 20
    save_minutes: float = 3.0


@dataclass(frozen=True)
class Materials:
    """Photographs, held-out pairs and teachers of a run.

    Attributes:
        photos: Sources of sharp crops.
        validation: Held-out pairs.
        labels: A teacher's labels, or None.
        teacher: One that answers during training, or None.
        key: Identifies all of that: a run is resumed on the same materials only.
    """

    photos: PhotoSource
    validation: ValidationSet
    labels: Labels | None = None
    teacher: CheckpointTeacher | OnnxTeacher | None = None
    key: str = ""


def step_seconds(train: float, data: float, device: torch.device, workers: int) -> float:
    """Return the seconds that a step of a run takes, from its two halves measured one after the other.

    On the CPU both want the same cores: processes that prepare batches take their share of them away. On a GPU the next
    batches are degraded by a second thread while it trains: the slower half sets the pace.

    Args:
        train, data: Seconds of a training step, and of making its batch in this process.
        device: Where it trains.
        workers: Processes that prepare batches.
    """
    if device.type != "cpu":
        return max(train, data)
    return train + data / (torch.get_num_threads() if workers else 1)


class Trainer:
    """One run in one folder. `run()` trains to the end of the schedule, from the saved state if there is one.

    Args:
        fabric: Launched; see `launch.start`.
        config: The run.
        materials: Photographs and teachers that it learns from.
        folder: State, log and results.
        intervals: How often it reports and saves.
        workers: Processes that prepare batches.
    """

    def __init__(
        self,
        fabric: Fabric,
        config: TrainConfig,
        materials: Materials,
        folder: Path,
        intervals: Intervals = Intervals(),
        workers: int = 1,
    ) -> None:
        self.fabric, self.config, self.materials, self.folder = fabric, config, materials, folder
        self.intervals, self.workers = intervals, workers
        torch.manual_seed(config.seed)
        first = first_network(config)
        self.start_key = first.key
        network = first.network.to(fabric.device)
        self.network: Student = network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        objective = Objective(config, self.network, materials.teacher).to(fabric.device)
        self.stepper = Stepper(fabric, config, self.network, objective, folder)
        self.average = WeightAverage(self.network, config.ema)
        self.state = RunState(self.stepper.modules, self.stepper.optimizers, self.average)
        steps = place_by_steps(config.stages, config.steps).steps if config.steps else ()
        self.standing = Standing(stage_steps=steps)
        self.skipped: list[str] = []
        """Photographs that turned out unusable during the run, and why."""

    @property
    def timeline(self) -> Timeline:
        """The stages on steps; known once the length is."""
        return Timeline(self.config.stages, self.standing.stage_steps)

    @property
    def best_file(self) -> Path:
        """Averaged weights of the best validation."""
        return self.folder / "best.safetensors"

    @property
    def holds_state(self) -> bool:
        """Whether the folder holds the state of a run."""
        return (self.folder / STATE_FILE).exists()

    def resume(self) -> bool:
        """Load the saved state and return True, or return False when there is none."""
        if not self.holds_state:
            return False
        self.standing = self._with_its_best(load_state(self.folder / STATE_FILE, self.state, self._settings()))
        scaler = self._scaler()
        if scaler is not None and self.standing.scaler:
            scaler.load_state_dict(dict(self.standing.scaler))
        return True

    def _with_its_best(self, standing: Standing) -> Standing:
        """Forget the best validation where its weights are missing or others are in their place."""
        if self._best_is_there(standing):
            return standing
        return Standing(standing.step, standing.stage_steps, seconds=standing.seconds, scaler=standing.scaler)

    def _best_is_there(self, standing: Standing) -> bool:
        """Return whether the file is the one that was validated; states of earlier versions do not name its hash."""
        return self.best_file.exists() and standing.best_sha256 in ("", sha256_of(self.best_file))

    def _settings(self) -> dict[str, Any]:
        """Return the settings that a state belongs to."""
        mixes = {stage.mix: self.config.known_mixes[stage.mix].to_dict() for stage in self.config.stages}
        return {**self.config.to_dict(), "drawn": mixes, "materials": self.materials.key, "start": self.start_key}

    def save(self) -> None:
        """Write the state file (the first process only)."""
        scaler = self._scaler()
        if scaler is not None:
            self.standing = dataclasses.replace(self.standing, scaler=dict(scaler.state_dict()))
        if self.fabric.is_global_zero:
            save_state(self.folder / STATE_FILE, self.state, self.standing, self._settings())

    def _scaler(self) -> Any:  # noqa: ANN401 (torch.amp.GradScaler, where precision has one)
        return getattr(self.fabric.strategy.precision, "scaler", None)

    def averaged_network(self, depth: float = 1.0) -> Student:
        """Return a network with the averaged weights, in evaluation mode, that runs a share of its blocks."""
        network = Student(self.config.model)
        network.load_state_dict(self.average.average)
        network.set_active_depth(depth)
        return network.to(self.fabric.device).eval()

    def plan(self) -> Timeline:
        """Fix the length of the run; a no-op when it is known already.

        With minutes, a few steps of every stage are timed on a copy that is thrown away.
        """
        if not self.standing.stage_steps:
            seconds = self.fabric.broadcast(self._measure_stages())
            timeline = place_by_time(self.config.stages, self.config.minutes, tuple(seconds))
            self.standing = dataclasses.replace(self.standing, stage_steps=timeline.steps)
        return self.timeline

    def _measure_stages(self) -> list[float]:
        """Return the seconds per step of each stage, its data included."""
        before = copy.deepcopy([m.state_dict() for m in self.state.modules.values()])
        optimizers = copy.deepcopy([o.state_dict() for o in self.state.optimizers.values()])
        scaler = self._scaler()
        scale = copy.deepcopy(scaler.state_dict()) if scaler is not None else {}
        trial = Timeline(self.config.stages, (_PROBE_STEPS,) * len(self.config.stages))
        source = self._source(trial)
        measured = []
        for index in range(len(trial.stages)):
            self._enter_stage(trial, index)
            first = index * _PROBE_STEPS
            begin = time.perf_counter()
            batches = [degrade_groups(source[first + i], self.config, trial, self.fabric.device) for i in range(3)]
            data = (time.perf_counter() - begin) / 3
            self.stepper.step(batches[0], trial.total - 1, trial.total)
            begin = time.perf_counter()
            for i in range(_PROBE_STEPS - 1):
                self.stepper.step(batches[i % 3], trial.total - 1, trial.total)
            train = (time.perf_counter() - begin) / (_PROBE_STEPS - 1)
            measured.append(step_seconds(train, data, self.fabric.device, self.workers))
        for module, state in zip(self.state.modules.values(), before, strict=True):
            module.load_state_dict(state)
        for optimizer, state in zip(self.state.optimizers.values(), optimizers, strict=True):
            optimizer.load_state_dict(state)
        if scaler is not None:
            scaler.load_state_dict(scale)
        # Workers get a copy of the source, which names each of these once only, and has done so here.
        self.skipped += [line for line in self.materials.photos.skipped if line not in self.skipped]
        return measured

    def _source(self, timeline: Timeline) -> BatchSource:
        materials, fabric = self.materials, self.fabric
        return BatchSource(
            self.config, timeline, materials.photos, materials.labels, fabric.global_rank, fabric.world_size
        )

    def _enter_stage(self, timeline: Timeline, index: int) -> None:
        self.network.set_active_depth(timeline.stages[index].depth)

    def run(self, report: Report, *, tensorboard: bool = False) -> Student:
        """Train to the end.

        Args:
            report: Receives one dictionary per log interval and per validation.
            tensorboard: Whether to write event files as well.

        Returns:
            The averaged network of the best validation.

        Raises:
            BadInputError: The loss is not finite, or the disk is full; the last saved state is intact.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInputError(f"{self.folder}: cannot be made ({error})") from error
        self.plan()
        if not self.holds_state:
            self.save()
        log = RunLog(self.folder, report, tensorboard=tensorboard and self.fabric.is_global_zero)
        try:
            with Interruption() as interruption:
                self._loop(log, interruption)
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise BadInputError(
                f"a process that prepares batches was ended from outside ({error})",
                hint="if memory ran out: --workers 0, or smaller crops and batches; go on with --resume",
            ) from error
        finally:
            log.close()
        return self.best_network()

    def _loop(self, log: RunLog, interruption: Interruption) -> None:
        timeline, clock = self.timeline, Clock(self.standing.seconds)
        source = self._source(timeline)
        batches = iterate_batches(source, self.standing.step, self.fabric.device, self.workers)
        # Closed whatever happens: workers ignore SIGTERM, so nothing else would end them after an error.
        with contextlib.closing(batches):
            self._steps(clock.waiting(batches), timeline, clock, log, interruption)
        if self.standing.best_psnr == float("-inf"):
            self._validate(log)
            self.save()

    def _steps(
        self, batches: Iterator[Batch], timeline: Timeline, clock: Clock, log: RunLog, interruption: Interruption
    ) -> None:
        every = max(1, timeline.total // self.intervals.validations)
        next_save = time.monotonic() + self.intervals.save_minutes * 60
        stage = -1
        for batch in batches:
            number = self.standing.step
            self.skipped += [line for line in batch.skipped if line not in self.skipped]
            if timeline.index_at(number) != stage:
                stage = timeline.index_at(number)
                self._enter_stage(timeline, stage)
                self._forget_shallower(timeline, number)
            terms = self.stepper.step(batch, number, timeline.total)
            self.average.update(self.network)
            clock.count(terms, timeline.stages[stage].batch * timeline.stages[stage].crop ** 2)
            self.standing = dataclasses.replace(self.standing, step=number + 1, seconds=clock.total)
            step, ended = number + 1, number + 1 == timeline.total
            if step % self.intervals.log_steps == 0 or ended:
                strength = round(timeline.strength_at(number), 4)
                head = {"step": step, "of": timeline.total, "stage": timeline.stages[stage].title}
                self._log(log, {**head, "strength": strength, **clock.record()})
            if step % every == 0 or ended:
                self._validate(log)
                clock.skip()
            if time.monotonic() >= next_save or ended:
                self.save()
                next_save = time.monotonic() + self.intervals.save_minutes * 60
                clock.skip()
            if interruption.asked:
                self.save()
                raise InterruptedRun

    def _forget_shallower(self, timeline: Timeline, number: int) -> None:
        """Forget the best validation when a stage begins that runs more blocks: it was another network's."""
        stage = timeline.index_at(number)
        begins = number == timeline.ends[stage] - timeline.steps[stage]
        if stage and begins and timeline.stages[stage].depth != timeline.stages[stage - 1].depth:
            self.standing = dataclasses.replace(self.standing, best_psnr=float("-inf"))

    def _log(self, log: RunLog, record: dict[str, Any]) -> None:
        """Log one record: means over the processes, whose batches differ."""
        if self.fabric.world_size > 1:
            names = sorted(record["terms"])
            numbers = [record["loss"], *(record["terms"][name] for name in names)]
            values = torch.tensor(numbers, dtype=torch.float64, device=self.fabric.device)
            means = torch.as_tensor(self.fabric.all_reduce(values, reduce_op="mean")).tolist()
            loss, *terms = (round(value, 6) for value in means)
            record = {**record, "loss": loss, "terms": dict(zip(names, terms, strict=True))}
        if self.fabric.is_global_zero:
            log.add(record)

    def _validate(self, log: RunLog) -> None:
        last = self.standing.step - 1
        network = self.averaged_network(self.timeline.stages[self.timeline.index_at(last)].depth)
        score = validate(network, self.materials.validation)
        if score.after > self.standing.best_psnr:
            self.standing = dataclasses.replace(
                self.standing,
                best_psnr=score.after,
                best_step=self.standing.step,
                best_start=score.before,
                best_cases=dict(score.cases),
            )
            if self.fabric.is_global_zero:
                save_weights(self.best_file, self.average)
                self.standing = dataclasses.replace(self.standing, best_sha256=sha256_of(self.best_file))
        cases = {name: round(after, 4) for name, (_, after) in score.cases.items()}
        record = {
            "step": self.standing.step,
            "of": self.timeline.total,
            "val_degraded": round(score.before, 4),
            "val_psnr": round(score.after, 4),
            "val": cases,
        }
        if self.fabric.is_global_zero:
            log.add(record)
            if log.shows_pictures:
                log.picture(self.standing.step, picture(network, self.materials.validation))

    def best_network(self) -> Student:
        """Return the network with the averaged weights of the best validation, in evaluation mode."""
        self.fabric.barrier()
        network = self.averaged_network()
        if self._best_is_there(self.standing):
            load_weights(self.best_file, network)
        return network
