"""`ensharpen-train`: train a student on a folder of photographs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from ensharpen_edge.console import progress, run_command, stderr, stdout
from ensharpen_edge.data.photos import PhotoSet, load_photos
from ensharpen_edge.errors import UsageError, require
from ensharpen_edge.imaging.decode import read_photo
from ensharpen_edge.models.registry import MODELS

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def train(
    context: typer.Context,
    data: Annotated[Path | None, typer.Option(help="Folder of sharp photographs.")] = None,
    model: Annotated[str, typer.Option(help="nano, small or base.")] = "nano",
    out: Annotated[Path, typer.Option(help="Folder of the run: state, log, and at the end the checkpoint.")] = Path(
        "runs/nano"
    ),
    minutes: Annotated[float, typer.Option(min=0, help="Length of the schedule in minutes.")] = 0.0,
    steps: Annotated[int, typer.Option(min=0, help="Length of the schedule in steps (instead of minutes).")] = 0,
    batch: Annotated[int, typer.Option(min=1, help="Crops per step.")] = 16,
    crop: Annotated[int, typer.Option(min=8, help="Side of the crops, a multiple of 8.")] = 136,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 2e-3,
    seed: Annotated[int, typer.Option(help="Seed of weights, crops and degradations.")] = 0,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes all cores.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the state in --out.")] = False,
    licence: Annotated[str, typer.Option(help="Licence of the weights, for the card.")] = "not stated",
    source: Annotated[str | None, typer.Option(help="Origin and licences of the photographs, for the card.")] = None,
) -> None:
    """Train a student to undo Gaussian blur and noise.

    The state is saved every few minutes; a killed run goes on with --resume as if it had not been. One photograph in
    16, chosen by its name, is held out for validation.

    [bold]Examples[/]

      ensharpen-train --data photos --model nano --minutes 90 --out runs/mine

      ensharpen-train --data photos --model nano --minutes 90 --out runs/mine --resume
    """
    if context.invoked_subcommand is not None:
        return
    if data is None:
        raise UsageError("training needs photographs", hint="give their folder with --data")
    require("torch", "train")
    from ensharpen_edge.training.trainer import STATE_FILE, TrainConfig, Trainer

    config = TrainConfig(MODELS.get(model), steps, minutes, crop, batch, learning_rate, seed=seed)
    if (out / STATE_FILE).exists() and not resume:
        raise UsageError(f"{out} holds a run already", hint="add --resume, or choose another --out")
    set_threads(threads)
    photos = load_with_progress(data, crop + 2 * config.mix.margin)
    trainer = Trainer(config, photos, out)
    if trainer.resume():
        stderr().print(f"resumed at step {trainer.progress.step} of {trainer.progress.total_steps}")
    with progress() as bar:
        task = bar.add_task("training", total=trainer.progress.total_steps or None)
        student = trainer.run(lambda record: _report(bar, task, record))
    finish(trainer, student, photos, licence, source)


@app.command()
def preview(
    photo: Annotated[Path, typer.Option(help="A sharp photograph.")],
    out: Annotated[Path, typer.Option(help="The sheet, a PNG.")] = Path("sheet.png"),
    seed: Annotated[int, typer.Option(help="Which kernels are drawn.")] = 0,
) -> None:
    """Draw a sheet of every blur: kernels, and the photograph blurred with them.

    [bold]Example[/]

      ensharpen-train preview --photo photo.jpg --out sheet.png
    """
    require("torch", "train")
    from ensharpen_edge.training.preview import write_preview

    write_preview(out, read_photo(photo).rgb, seed=seed)
    stdout().print(str(out))


def set_threads(threads: int) -> None:
    """Limit torch to `threads` CPU threads; 0 takes all cores."""
    import torch

    torch.set_num_threads(threads or os.cpu_count() or 1)


def load_with_progress(folder: Path, minimum_side: int) -> PhotoSet:
    """Decode a folder behind a progress bar, and name what was skipped."""
    with progress() as bar:
        task = bar.add_task("decoding", total=None)
        photos = load_photos(folder, minimum_side, lambda done, total: bar.update(task, completed=done, total=total))
    console = stderr()
    for line in photos.skipped:
        console.print(f"skipped: {line}")
    console.print(f"{len(photos)} photographs, {photos.megapixels:.0f} megapixels, {len(photos.skipped)} skipped")
    return photos


def finish(trainer: Any, student: Any, photos: PhotoSet, licence: str, source: str | None) -> None:  # noqa: ANN401
    """Write the checkpoint and its card, and say where."""
    from ensharpen_edge.models.checkpoint import save_checkpoint
    from ensharpen_edge.training.card import training_card

    path = trainer.folder / f"{student.config.name}.safetensors"
    card = training_card(trainer.config, trainer.progress, photos, trainer.validation_scores(), licence, source)
    save_checkpoint(student, path, card)
    stdout().print(
        f"{path}  validation {card['validation']['psnr']:.2f} dB, input {card['validation']['degraded']:.2f} dB"
    )
    stdout().print(f"export it: ensharpen-export --target onnx --model {path}")


def _report(bar: Progress, task: Any, record: dict[str, Any]) -> None:  # noqa: ANN401
    bar.update(task, completed=record["step"], total=record["of"])
    if "val_psnr" in record:
        stderr().print(
            f"step {record['step']}/{record['of']}: validation {record['val_psnr']:.2f} dB "
            f"(input {record['val_degraded']:.2f} dB)"
        )
    elif not bar.live.is_started:
        stderr().print(f"step {record['step']}/{record['of']}  loss {record['loss']}  {record['mp_per_s']} MP/s")


def main() -> None:
    """Entry point of `ensharpen-train`."""
    run_command(app)
