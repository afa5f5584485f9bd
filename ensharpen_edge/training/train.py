"""Train a network: from photographs and a recipe to a checkpoint with its card."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

from ensharpen_edge.errors import UsageError, unknown_name
from ensharpen_edge.models.checkpoint import save_checkpoint
from ensharpen_edge.progress import Progress, no_progress
from ensharpen_edge.training.card import training_card
from ensharpen_edge.training.config import Precision, TrainConfig
from ensharpen_edge.training.curves import read_log
from ensharpen_edge.training.launch import Hardware, emulates_bf16, shared_out, start
from ensharpen_edge.training.log import Report, no_report
from ensharpen_edge.training.provenance import Provenance, Statement, remember_statement
from ensharpen_edge.training.recipe import find_recipe, load_recipe
from ensharpen_edge.training.run import DataPaths, Gathered, gather
from ensharpen_edge.training.run_lock import run_lock
from ensharpen_edge.training.step import STATE_FILE
from ensharpen_edge.training.trainer import Trainer


@dataclass(frozen=True)
class TrainRequest:
    """One call of `train`. What is None is as the recipe says.

    Attributes:
        photos: Photographs to train on, to hold out, and to keep away from.
        recipe: Name of a shipped recipe, or a YAML file.
        out: Folder of the run: state, log, checkpoint; None stands for `runs/RECIPE`.
        minutes: Length of the schedule in minutes.
        steps: Length of the schedule in steps, instead of minutes.
        seed: Seed of weights, crops and degradations.
        precision: `32-true`, `bf16-mixed` or `16-mixed`.
        teacher: Model, checkpoint or .onnx file to distil from while training.
        labels: Folder of a teacher's labels to distil from.
        hardware: Where it computes.
        resume: Go on from the state in the folder.
        tensorboard: Write TensorBoard event files.
        licence: Licence of the weights for the card; None keeps what an earlier start stated.
        source: Origin and licences of the photographs for the card; None as well.

    Raises:
        UsageError: A length that is not above 0, or an unknown precision.
    """

    photos: DataPaths
    recipe: str = "nano"
    out: Path | None = None
    minutes: float | None = None
    steps: int | None = None
    seed: int | None = None
    precision: str | None = None
    teacher: str | None = None
    labels: Path | None = None
    hardware: Hardware = field(default_factory=Hardware)
    resume: bool = False
    tensorboard: bool = False
    licence: str | None = None
    source: str | None = None

    def __post_init__(self) -> None:
        if self.precision is not None and self.precision not in get_args(Precision):
            raise unknown_name("precision", self.precision, get_args(Precision))
        if not all(length is None or length > 0 for length in (self.minutes, self.steps)):
            raise UsageError("--minutes and --steps must be above 0")

    @property
    def folder(self) -> Path:
        """Folder of the run."""
        return self.out or Path("runs") / find_recipe(self.recipe).stem

    def config(self) -> TrainConfig:
        """Return the recipe with what the request says otherwise.

        Raises:
            UsageError: No such recipe, or a mistake in it.
        """
        given = {"minutes": self.minutes, "steps": self.steps, "precision": self.precision, "seed": self.seed}
        overrides: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        taught = {"teacher": self.teacher, "labels": str(self.labels) if self.labels else None}
        if any(taught.values()):
            overrides["distillation"] = {name: value for name, value in taught.items() if value}
        return load_recipe(find_recipe(self.recipe), overrides)


@dataclass(frozen=True)
class TrainResult:
    """A trained network.

    Attributes:
        checkpoint: The weights' file, with its card beside it.
        folder: Folder of the run.
        heads: The network's tasks.
        psnr: Best validation in dB (RGB, 8-bit): the mean over the held-out pairs, which the checkpoint reached.
        input_psnr: The same of what the network was given.
        best_step: Step of that validation.
        steps: Steps that were trained.
        skipped: Photographs that could not be used, and why.
    """

    checkpoint: Path
    folder: Path
    heads: tuple[str, ...]
    psnr: float
    input_psnr: float
    best_step: int
    steps: int
    skipped: tuple[str, ...]

    def curves(self) -> list[dict[str, Any]]:
        """Return the records of the run's log: losses, validations and speed by step.

        Raises:
            BadInputError: The log cannot be read.
        """
        return read_log(self.folder)

    def to_dict(self) -> dict[str, Any]:
        """Return the result, as JSON types."""
        paths = {"checkpoint": str(self.checkpoint), "folder": str(self.folder)}
        return {**asdict(self), **paths, "heads": list(self.heads), "skipped": list(self.skipped)}


@dataclass(frozen=True)
class OpenRun:
    """A run that is ready to start or to go on.

    Attributes:
        request: The call's request.
        trainer: The training loop, with its state loaded.
        gathered: The photographs.
        stated: Licence and origin, for the card.
        resumed: Whether there was a state to go on from.
    """

    request: TrainRequest
    trainer: Trainer
    gathered: Gathered
    stated: Statement
    resumed: bool

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes; the other ones of a distributed run only compute."""
        return self.trainer.fabric.is_global_zero

    @property
    def slow_bf16(self) -> bool:
        """Whether it computes in bfloat16 on a processor that only emulates it."""
        trainer = self.trainer
        return trainer.config.precision == "bf16-mixed" and trainer.fabric.device.type == "cpu" and emulates_bf16()

    def train(self, progress: Progress = no_progress, report: Report = no_report) -> TrainResult:
        """Train to the end of the schedule and write the checkpoint.

        Args:
            progress: Told how many steps are done.
            report: Given every record of the log.

        Raises:
            BadInputError: The loss is not finite, or the disk is full; the last saved state is intact.
            InterruptedRun: The run was asked to stop, and its state is saved.
        """
        trainer, materials = self.trainer, self.gathered.materials

        def heard(record: dict[str, Any]) -> None:
            progress("training", record["step"], record["of"])
            report(record)

        network = trainer.run(heard, tensorboard=self.request.tensorboard)
        path = trainer.folder / f"{network.config.name}.safetensors"
        if self.is_first:
            taught_by = materials.labels if materials.teacher is None else materials.teacher
            key = None if taught_by is None else taught_by.key
            provenance = Provenance(self.stated, self.gathered.photographs, self.gathered.megapixels, key)
            save_checkpoint(network, path, training_card(trainer, provenance))
        standing = trainer.standing
        return TrainResult(
            path,
            trainer.folder,
            network.config.heads,
            standing.best_psnr,
            standing.best_start,
            standing.best_step,
            standing.step,
            (*self.gathered.skipped, *trainer.skipped),
        )


@contextmanager
def open_run(request: TrainRequest, progress: Progress = no_progress) -> Iterator[OpenRun]:
    """Load the photographs, set the run up, and load its state.

    Args:
        request: The run.
        progress: Told how many photographs are decoded.

    Raises:
        UsageError: The folder holds a run and `resume` is not asked for, or another process trains in it; an unknown
            recipe; unfit settings.
        BadInputError: The photographs, labels or teacher are unfit.
        IntegrityError: The state is damaged or belongs to a run with other settings.
        MissingToolError: Lightning Fabric is not installed.
    """
    config, folder = request.config(), request.folder
    fabric = start(config, request.hardware)
    config = shared_out(config, fabric.world_size)
    if (folder / STATE_FILE).exists() and not request.resume:
        raise UsageError(f"{folder} holds a run already", hint="add --resume, or choose another --out")
    gathered = gather(fabric, config, request.photos, progress)
    trainer = Trainer(fabric, config, gathered.materials, folder, workers=request.hardware.workers)
    # The other processes of a distributed run belong to the first one, which holds the folder for all.
    with run_lock(folder) if fabric.is_global_zero else nullcontext():
        if fabric.is_global_zero and trainer.holds_state and not request.resume:
            raise UsageError(f"{folder} holds a run already", hint="add --resume, or choose another --out")
        resumed = trainer.resume()
        trainer.plan()
        stated = remember_statement(folder, request.licence, request.source) if fabric.is_global_zero else Statement()
        yield OpenRun(request, trainer, gathered, stated, resumed)


def train(request: TrainRequest, progress: Progress = no_progress, report: Report = no_report) -> TrainResult:
    """Train a network on a folder of photographs; see `open_run` and `OpenRun.train` for what is raised.

    Args:
        request: The run.
        progress: Told how many photographs are decoded, and how many steps are done.
        report: Given every record of the log: losses, validations, speed.
    """
    with open_run(request, progress) as run:
        return run.train(progress, report)
