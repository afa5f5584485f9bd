"""`ensharpen-train quantize`: train a network to compute in 8 bits throughout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress

from ensharpen_edge.console import progress, show_progress, stderr, stdout
from ensharpen_edge.errors import UsageError, require

if TYPE_CHECKING:
    from ensharpen_edge.calibration.qat.run import QatRun


def quantize(
    checkpoint: Annotated[
        str, typer.Argument(help="A shipped model (nano, small, base, ...), or a .safetensors file.")
    ],
    data: Annotated[str, typer.Option(help="Folder of sharp photographs, or WebDataset shards.")],
    placement: Annotated[
        str, typer.Option(help="everything, everything asymmetric (LiteRT), convolutions (TensorRT).")
    ] = "everything",
    steps: Annotated[int, typer.Option(min=1, help="Length of the schedule.")] = 6000,
    out: Annotated[Path | None, typer.Option(help="Folder of the run. Default: runs/NAME-int8.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the state in --out.")] = False,
    batch: Annotated[int, typer.Option(min=1, help="Crops per step.")] = 8,
    crop: Annotated[int, typer.Option(min=16, help="Side of the crops.")] = 128,
    crops: Annotated[int, typer.Option(min=1, help="Distinct crops; they are kept in memory.")] = 8192,
    mix: Annotated[
        str | None, typer.Option(help="Degradations, by name. Default: those the network was trained with.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of crops and degradations.")] = 0,
    validation: Annotated[
        Path | None, typer.Option(help="Folder of held-out photographs; by default one in 16 is held out.")
    ] = None,
    evaluation: Annotated[
        list[Path] | None, typer.Option(help="Folder that the result will be judged on: must not overlap. Repeatable.")
    ] = None,
    accelerator: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes all cores.")] = 0,
    tensorboard: Annotated[bool, typer.Option(help="Write TensorBoard event files.")] = True,
    cache: Annotated[Path | None, typer.Option(help="Folder of decoded photographs.")] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the weights, for the card.")] = None,
    source: Annotated[str | None, typer.Option(help="Origin and licences of the photographs, for the card.")] = None,
) -> None:
    """Train a network to compute in 8 bits throughout, weights and activations, so that its int8 files sharpen as well
    as it does.

    Training begins at the float graph that is exported, with channels made alike, and learns weights and the steps
    between codes together, from the truth and from the float network. It writes NAME-int8.safetensors: codes, steps and
    zero points, for the float checkpoint that it was given and for no other.

    [bold]Examples[/]

      ensharpen-train quantize nano --data photos --out runs/nano-int8

      ensharpen-train quantize runs/mine/nano.safetensors --data photos --placement convolutions --steps 1500
    """
    for module in ("torch", "safetensors", "lightning_fabric", "tensorboard", "cattrs", "imagehash"):
        require(module, "train")
    for module in ("onnx", "onnxsim", "onnxruntime"):
        require(module, "onnx")
    from ensharpen_edge.calibration.qat.config import QatConfig
    from ensharpen_edge.calibration.qat.run import prepare_run
    from ensharpen_edge.calibration.qat.saved_state import has_state
    from ensharpen_edge.data.cache import default_cache
    from ensharpen_edge.export.graph.onnx_graph import verified_graph
    from ensharpen_edge.models.checkpoint import find_checkpoint
    from ensharpen_edge.models.student_network import StudentNetwork
    from ensharpen_edge.training.interruption import InterruptedRun
    from ensharpen_edge.training.launch import Hardware
    from ensharpen_edge.training.provenance import remember_statement
    from ensharpen_edge.training.run import DataPaths
    from ensharpen_edge.training.trainer import Intervals

    config = QatConfig(placement, steps=steps, batch=batch, crop=crop, crops=crops, mix=mix, seed=seed)
    parent = find_checkpoint(checkpoint)
    folder = out or Path("runs") / f"{parent.network.config.name}-int8"
    if has_state(folder) and not resume:
        raise UsageError(f"{folder} holds a run already", hint="add --resume, or choose another --out")
    paths = DataPaths(data, validation, tuple(evaluation or ()), cache or default_cache())
    model, _ = verified_graph(StudentNetwork.of_checkpoint(parent), None)
    with show_progress() as tell:
        run = prepare_run(model, parent, paths, config, folder, Hardware(accelerator, threads, 0), Intervals(), tell)
    resumed = run.trainer.resume()
    stated = remember_statement(folder, licence, source)
    _introduce(run, resumed, resume)
    with progress() as bar:
        task = bar.add_task("training", total=steps, completed=run.trainer.standing.step)
        try:
            network = run.trainer.run(lambda record: _report(bar, task, record), tensorboard=tensorboard)
        except InterruptedRun:
            stderr().print(f"interrupted at step {run.trainer.standing.step}, saved in {folder}; go on with --resume")
            raise
    path, score = run.write(network, stated)
    stdout().print(
        f"{path}  validation {score.after:.2f} dB (float {score.parent:.2f} dB, input {score.before:.2f} dB), step "
        f"{run.trainer.standing.best_step}"
    )


def _introduce(run: QatRun, resumed: bool, wanted: bool) -> None:
    console, trainer = stderr(), run.trainer
    for line in run.gathered.skipped:
        console.print(f"skipped: {line}")
    console.print(
        f"{run.name}, {trainer.config.placement}: {len(trainer.network.placed.sites)} tensors are rounded; "
        f"{run.gathered.photographs} training photographs, {run.gathered.megapixels:.0f} megapixels"
    )
    if resumed:
        console.print(f"resumed at step {trainer.standing.step} of {trainer.config.steps}")
    elif wanted:
        console.print(f"{trainer.folder} holds no state: starting from the beginning")


def _report(bar: Progress, task: Any, record: dict[str, Any]) -> None:  # noqa: ANN401 (rich's TaskID)
    bar.update(task, completed=record["step"], total=record["of"])
    if "val_psnr" in record:
        stderr().print(
            f"step {record['step']}/{record['of']}: validation {record['val_psnr']:.2f} dB (float "
            f"{record['val_parent']:.2f} dB, input {record['val_degraded']:.2f} dB)"
        )
    elif not bar.live.is_started:
        stderr().print(
            f"step {record['step']}/{record['of']}  loss {record['loss']}  {record['mp_per_s']} MP/s  busy "
            f"{100 * record['busy']:.0f} %"
        )
