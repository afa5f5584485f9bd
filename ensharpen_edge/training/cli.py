"""`ensharpen-train`: train a student on a folder of photographs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
from rich.progress import Progress

from ensharpen_edge.console import progress, run_command, stderr, stdout
from ensharpen_edge.data.cli import app as data_app
from ensharpen_edge.errors import UsageError, require, unknown_name
from ensharpen_edge.imaging.decode import read_photo

if TYPE_CHECKING:
    from ensharpen_edge.training.run import Gathered
    from ensharpen_edge.training.trainer import Trainer

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
app.add_typer(data_app, name="data", help="Public photograph sets: list and fetch; render text and line art.")

Cache = Annotated[
    Path | None, typer.Option(help="Folder of decoded photographs; by default below the user's cache folder.")
]
Evaluation = Annotated[
    list[Path] | None, typer.Option(help="Folder that the result will be judged on: must not overlap. Repeatable.")
]


@app.callback(invoke_without_command=True)
def train(
    context: typer.Context,
    data: Annotated[
        str | None, typer.Option(help="Folder of sharp photographs, or WebDataset shards: 'set-{000..063}.tar'.")
    ] = None,
    config: Annotated[str, typer.Option(help="Recipe: nano, small, base, or a YAML file.")] = "nano",
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run: state, log, checkpoint. Default: runs/RECIPE.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Length of the schedule in minutes. Default: the recipe's, or 90.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Length of the schedule in steps, instead of minutes. Default: the recipe's.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, crops and degradations.")] = None,
    teacher: Annotated[
        str | None, typer.Option(help="Distil from this model, checkpoint or .onnx file while training.")
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="Distil from labels made by `ensharpen-train label`.")] = None,
    validation: Annotated[
        Path | None, typer.Option(help="Folder of held-out photographs; by default one in 16 is held out.")
    ] = None,
    evaluation: Evaluation = None,
    precision: Annotated[str | None, typer.Option(help="32-true, bf16-mixed or 16-mixed.")] = None,
    accelerator: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads of each process; 0 shares all cores out.")] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Processes that prepare batches.")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the state in --out.")] = False,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="Refuse operations that depend on timing (GPU).")
    ] = False,
    tensorboard: Annotated[bool, typer.Option(help="Write TensorBoard event files.")] = True,
    cache: Cache = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the weights, for the card.")] = None,
    source: Annotated[str | None, typer.Option(help="Origin and licences of the photographs, for the card.")] = None,
) -> None:
    """Train a network to sharpen, on your own photographs.

    The state is saved every few minutes; a killed run goes on with --resume as if it had not been. One photograph in
    16, chosen by its name, is held out for validation; the checkpoint is the best validated average.

    [bold]Examples[/]

      ensharpen-train --data photos --config nano --minutes 90 --out runs/mine

      ensharpen-train --data photos --config nano --minutes 90 --out runs/mine --resume

      torchrun --nproc-per-node 8 -m ensharpen_edge.training --data 'set-{000..255}.tar' --validation held --config base
    """
    if context.invoked_subcommand is not None:
        return
    if data is None:
        raise UsageError("training needs photographs", hint="give their folder with --data")
    _require_packages()
    from ensharpen_edge.data.cache import default_cache
    from ensharpen_edge.training.config import Precision
    from ensharpen_edge.training.interruption import InterruptedRun
    from ensharpen_edge.training.launch import Hardware, emulates_bf16, shared_out, start
    from ensharpen_edge.training.provenance import Provenance, Statement, remember_statement
    from ensharpen_edge.training.recipe import find_recipe, load_recipe
    from ensharpen_edge.training.run import DataPaths, gather
    from ensharpen_edge.training.timeline_table import timeline_table
    from ensharpen_edge.training.trainer import Trainer

    if precision is not None and precision not in get_args(Precision):
        raise unknown_name("precision", precision, get_args(Precision))
    if not all(length is None or length > 0 for length in (minutes, steps)):
        raise UsageError("--minutes and --steps must be above 0")
    given = {"minutes": minutes, "steps": steps, "precision": precision}
    overrides: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if seed is not None:
        overrides["seed"] = seed
    taught = {"teacher": teacher, "labels": str(labels) if labels else None}
    if teacher or labels:
        overrides["distillation"] = {name: value for name, value in taught.items() if value}
    recipe = find_recipe(config)
    run_config = load_recipe(recipe, overrides)
    folder = out or Path("runs") / recipe.stem
    fabric = start(run_config, Hardware(accelerator, threads, workers, deterministic))
    run_config = shared_out(run_config, fabric.world_size)
    if run_config.precision == "bf16-mixed" and fabric.device.type == "cpu" and emulates_bf16():
        stderr().print("this processor has no bfloat16 arithmetic: --precision 32-true is faster on it")
    if _state_exists(folder) and not resume:
        raise UsageError(f"{folder} holds a run already", hint="add --resume, or choose another --out")
    paths = DataPaths(data, validation, tuple(evaluation or ()), cache or default_cache())
    with progress() as bar:
        task = bar.add_task("decoding", total=None)
        gathered = gather(fabric, run_config, paths, lambda done, total: bar.update(task, completed=done, total=total))
    trainer = Trainer(fabric, run_config, gathered.materials, folder, workers=workers)
    resumed = trainer.resume()
    timeline = trainer.plan()
    stated = Statement()
    if fabric.is_global_zero:
        stated = remember_statement(folder, licence, source)
        _introduce(gathered)
        stdout().print(timeline_table(run_config, timeline))
        if resumed:
            stderr().print(f"resumed at step {trainer.progress.step} of {timeline.total}")
        elif resume:
            stderr().print(f"{folder} holds no state: starting from the beginning")
    with progress(quiet=not fabric.is_global_zero) as bar:
        task = bar.add_task("training", total=timeline.total, completed=trainer.progress.step)
        try:
            network = trainer.run(lambda record: _report(bar, task, record), tensorboard=tensorboard)
        except InterruptedRun:
            stderr().print(f"interrupted at step {trainer.progress.step}, saved in {folder}; go on with --resume")
            raise
    if fabric.is_global_zero:
        label_key = gathered.materials.labels.key if gathered.materials.labels else None
        taught_by = gathered.materials.teacher.key if gathered.materials.teacher else label_key
        _finish(
            trainer,
            network,
            Provenance(stated, gathered.photographs, gathered.megapixels, taught_by),
            gathered.skipped,
        )


@app.command()
def label(
    data: Annotated[Path, typer.Option(help="Folder of photographs.")],
    teacher: Annotated[str, typer.Option(help="Model, checkpoint, or .onnx file.")],
    out: Annotated[Path, typer.Option(help="Folder for labels; each set gets a folder named by its key.")] = Path(
        "runs/labels"
    ),
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="Labels in all.")] = 200,
    mix: Annotated[str, typer.Option(help="Degradations of sharp photographs.")] = "photo",
    as_is: Annotated[
        bool, typer.Option("--as-is", help="The photographs are blurry already: label them as they are, without truth.")
    ] = False,
    crop: Annotated[int, typer.Option(min=8, help="Side of the labelled crops.")] = 256,
    seed: Annotated[int, typer.Option(min=0, max=2**40, help="Seed of crops and degradations.")] = 0,
    self_ensemble: Annotated[
        int, typer.Option(help="Take the mean of the teacher's answers to 2, 4 or 8 mirrored and turned views.")
    ] = 1,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes all cores.")] = 0,
    cache: Cache = None,
) -> None:
    """Let a slow teacher answer once; runs with --labels learn from the answers.

    An interrupted call goes on where it stopped. Held-out photographs are never labelled. At the end it says how much
    nearer to the truth the answers are: whether they are worth learning from.

    [bold]Example[/]

      ensharpen-train label --data photos --teacher teacher.onnx --mix motion -n 400
    """
    _require_packages()
    import torch

    from ensharpen_edge.data.cache import default_cache, load_photos
    from ensharpen_edge.degrade.mix import MARGIN
    from ensharpen_edge.degrade.mixes import find_mix
    from ensharpen_edge.training.distillation.labels import LabelConfig, read_labels, write_labels
    from ensharpen_edge.training.distillation.teacher import SelfEnsembleTeacher, Teacher, open_teacher
    from ensharpen_edge.training.distillation.teacher_gain import teacher_gain

    degradations = None if as_is else find_mix(mix)
    if threads:
        torch.set_num_threads(threads)
    opened: Teacher = open_teacher(teacher)
    if self_ensemble != 1:
        opened = SelfEnsembleTeacher(opened, self_ensemble)
    with progress() as bar:
        task = bar.add_task("decoding", total=None)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        photos = load_photos(data, crop if as_is else crop + 2 * MARGIN, show, cache or default_cache())
        task = bar.add_task("labelling", total=count)
        settings = LabelConfig(degradations, crop, seed)
        folder = write_labels(opened, photos.split()[0], settings, count, out, show)
    for line in photos.skipped:
        stderr().print(f"skipped: {line}")
    stdout().print(f"{folder}  {count} labels")
    stderr().print(str(teacher_gain(read_labels(folder))))


@app.command()
def recipe(
    name: Annotated[str, typer.Argument(help="A shipped recipe (nano, small, base, ...), or a YAML file.")],
) -> None:
    """Print a recipe, to start your own from, and its timeline.

    [bold]Example[/]

      ensharpen-train recipe nano > mine.yaml
    """
    _require_packages()
    from ensharpen_edge.training.recipe import find_recipe, load_recipe
    from ensharpen_edge.training.timeline_table import timeline_table

    path = find_recipe(name)
    loaded = load_recipe(path, {})
    stdout().print(path.read_text(encoding="utf-8"), end="")
    stderr().print(timeline_table(loaded))


@app.command()
def curves(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs.")],
    out: Annotated[Path, typer.Option(help="The picture, a PNG.")] = Path("curves.png"),
) -> None:
    """Draw loss, validation and speed of runs.

    [bold]Example[/]

      ensharpen-train curves runs/scratch runs/distilled --out curves.png
    """
    from ensharpen_edge.training.curves import draw_curves

    draw_curves(runs, out)
    stdout().print(str(out))


@app.command()
def preview(
    photo: Annotated[Path, typer.Option(help="A sharp photograph.")],
    out: Annotated[Path, typer.Option(help="The sheet, a PNG.")] = Path("sheet.png"),
    seed: Annotated[int, typer.Option(help="Which kernels are drawn.")] = 0,
) -> None:
    """Draw a sheet of every blur and every mix: kernels, and the photograph degraded with them.

    [bold]Example[/]

      ensharpen-train preview --photo photo.jpg --out sheet.png
    """
    require("torch", "train")
    from ensharpen_edge.training.preview import write_preview

    write_preview(out, read_photo(photo).rgb, seed=seed)
    stdout().print(str(out))


def _require_packages() -> None:
    """Name the first missing package before anything starts."""
    for module in ("torch", "safetensors", "lightning_fabric", "tensorboard", "yaml", "cattrs", "imagehash"):
        require(module, "train")


def _state_exists(folder: Path) -> bool:
    from ensharpen_edge.training.step import STATE_FILE

    return (folder / STATE_FILE).exists()


def _introduce(gathered: Gathered) -> None:
    console = stderr()
    for line in gathered.skipped:
        console.print(f"skipped: {line}")
    if gathered.photographs:
        console.print(
            f"{gathered.photographs} training photographs, {gathered.megapixels:.0f} megapixels, "
            f"{len(gathered.skipped)} files skipped"
        )


def _finish(trainer: Trainer, network: Any, provenance: Any, skipped: tuple[str, ...]) -> None:  # noqa: ANN401
    """Write the checkpoint and its card, and say where."""
    from ensharpen_edge.models.checkpoint import save_checkpoint
    from ensharpen_edge.training.card import training_card

    path = trainer.folder / f"{network.config.name}.safetensors"
    save_checkpoint(network, path, training_card(trainer, provenance))
    made = trainer.progress
    stdout().print(
        f"{path}  validation {made.best_psnr:.2f} dB (input {made.best_start:.2f} dB), step {made.best_step}"
    )
    every = (*skipped, *trainer.skipped)
    if every:
        stderr().print(f"{len(every)} files were skipped: {'; '.join(every[:5])}{' ...' if len(every) > 5 else ''}")
    if network.config.heads == ("sharpen",):
        stdout().print(f"export it: ensharpen-export --target onnx --model {path}")


def _report(bar: Progress, task: Any, record: dict[str, Any]) -> None:  # noqa: ANN401
    bar.update(task, completed=record["step"], total=record["of"])
    if "val_psnr" in record:
        stderr().print(
            f"step {record['step']}/{record['of']}: validation {record['val_psnr']:.2f} dB "
            f"(input {record['val_degraded']:.2f} dB)"
        )
    elif not bar.live.is_started:
        stderr().print(
            f"step {record['step']}/{record['of']}  {record['stage']}  loss {record['loss']}  "
            f"{record['mp_per_s']} MP/s  busy {100 * record['busy']:.0f} %"
        )


def main() -> None:
    """Entry point of `ensharpen-train`."""
    run_command(app)
