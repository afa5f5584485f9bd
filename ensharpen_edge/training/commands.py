"""The commands of `ensharpen-train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ensharpen_edge.console import Version, command_line, show_progress, stderr, stdout
from ensharpen_edge.data.commands import app as data_app
from ensharpen_edge.errors import UsageError, require
from ensharpen_edge.imaging.decode import read_photo

if TYPE_CHECKING:
    from ensharpen_edge.training.train import OpenRun, TrainResult

app = command_line()
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
    version: Version = False,
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
    from ensharpen_edge.training.interruption import InterruptedRun
    from ensharpen_edge.training.launch import Hardware
    from ensharpen_edge.training.run import DataPaths
    from ensharpen_edge.training.train import TrainRequest, open_run

    request = TrainRequest(
        DataPaths(data, validation, tuple(evaluation or ()), cache or default_cache()),
        config,
        out,
        minutes,
        steps,
        seed,
        precision,
        teacher,
        labels,
        Hardware(accelerator, threads, workers, deterministic),
        resume,
        tensorboard,
        licence,
        source,
    )
    with show_progress() as progress, open_run(request, progress) as run:
        if run.is_first:
            _introduce(run)
        try:
            result = run.train(progress, _report)
        except InterruptedRun:
            trainer = run.trainer
            stderr().print(
                f"interrupted at step {trainer.standing.step}, saved in {trainer.folder}; go on with --resume"
            )
            raise
    if run.is_first:
        _print_result(result)


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
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes OMP_NUM_THREADS, or all cores.")] = 0,
    cache: Cache = None,
) -> None:
    """Let a slow teacher answer once; runs with --labels learn from the answers.

    An interrupted call goes on where it stopped. Held-out photographs are never labelled. At the end it says how much
    nearer to the truth the answers are: whether they are worth learning from.

    [bold]Example[/]

      ensharpen-train label --data photos --teacher teacher.onnx --mix motion -n 400
    """
    _require_packages()
    from ensharpen_edge.data.cache import default_cache
    from ensharpen_edge.degrade.mixes import find_mix
    from ensharpen_edge.training.distillation.labels import LabelConfig
    from ensharpen_edge.training.label import LabelRequest
    from ensharpen_edge.training.label import label as run

    settings = LabelConfig(None if as_is else find_mix(mix), crop, seed)
    request = LabelRequest(data, teacher, out, count, settings, self_ensemble, threads, cache or default_cache())
    with show_progress() as progress:
        result = run(request, progress)
    for line in result.skipped:
        stderr().print(f"skipped: {line}")
    stdout().print(f"{result.folder}  {result.count} labels")
    stderr().print(str(result.gain))


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


def _introduce(run: OpenRun) -> None:
    """Print what a run starts with."""
    from ensharpen_edge.training.timeline_table import timeline_table

    console, gathered, trainer = stderr(), run.gathered, run.trainer
    if run.slow_bf16:
        console.print("this processor has no bfloat16 arithmetic: --precision 32-true is faster on it")
    for line in gathered.skipped:
        console.print(f"skipped: {line}")
    if gathered.photographs:
        console.print(
            f"{gathered.photographs} training photographs, {gathered.megapixels:.0f} megapixels, "
            f"{len(gathered.skipped)} files skipped"
        )
    stdout().print(timeline_table(trainer.config, trainer.timeline))
    if run.resumed:
        console.print(f"resumed at step {trainer.standing.step} of {trainer.timeline.total}")
    elif run.request.resume:
        console.print(f"{trainer.folder} holds no state: starting from the beginning")


def _print_result(result: TrainResult) -> None:
    stdout().print(
        f"{result.checkpoint}  validation {result.psnr:.2f} dB (input {result.input_psnr:.2f} dB), "
        f"step {result.best_step}"
    )
    every = result.skipped
    if every:
        stderr().print(f"{len(every)} files were skipped: {'; '.join(every[:5])}{' ...' if len(every) > 5 else ''}")
    if result.heads == ("sharpen",):
        stdout().print(f"export it: ensharpen-export --target onnx --model {result.checkpoint}")


def _report(record: dict[str, Any]) -> None:
    """Print a record of the log: validations always, the others where no bar shows that it goes on."""
    console = stderr()
    if "val_psnr" in record:
        console.print(
            f"step {record['step']}/{record['of']}: validation {record['val_psnr']:.2f} dB "
            f"(input {record['val_degraded']:.2f} dB)"
        )
    elif not console.is_terminal:
        console.print(
            f"step {record['step']}/{record['of']}  {record['stage']}  loss {record['loss']}  "
            f"{record['mp_per_s']} MP/s  busy {100 * record['busy']:.0f} %"
        )
