"""`ensharpen-run`: sharpen photographs with an artifact."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress as Bar
from rich.progress import TaskID

from ensharpen_edge.console import Version, command_line, print_error, print_json, progress, run_command, stderr, stdout
from ensharpen_edge.errors import BadInputError, ExitCode, UsageError
from ensharpen_edge.runtime.batch import PhotoResult, output_paths, sharpen_files
from ensharpen_edge.runtime.pipeline import TileChoice
from ensharpen_edge.runtime.sharpener import load

app = command_line()


def parse_tile(text: str) -> TileChoice:
    """Return a tile choice from its text: `auto`, `off`, or a side in pixels.

    Raises:
        UsageError: The text is none of these.
    """
    if text == "auto":
        return "auto"
    if text == "off":
        return "off"
    if re.fullmatch(r"[0-9]{1,6}", text) and int(text) > 0:
        return int(text)
    raise UsageError(f"--tile must be 'auto', 'off' or a number of pixels, got {text!r}")


@app.command()
def run(
    artifact: Annotated[Path, typer.Argument(help="Artifact folder, as ensharpen-export writes it.")],
    photos: Annotated[list[Path] | None, typer.Argument(help="Photographs: JPEG, PNG, WebP, TIFF.")] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")] = Path("sharp"),
    tile: Annotated[
        str, typer.Option(help="'auto', 'off', or tile side in pixels. Never changes the result.")
    ] = "auto",
    format: Annotated[str | None, typer.Option(help="Write jpg, png, webp or tif instead of the source's.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are in the folder.")] = False,
    engine: Annotated[
        str | None, typer.Option(help="onnxruntime, litert, coreml or tensorrt instead of the file's preferred one.")
    ] = None,
    device: Annotated[
        str,
        typer.Option(
            help="Where the engine runs: cpu, cuda, cuda:1; onnxruntime also on tensorrt, coreml, directml, openvino, "
            "qnn, rocm, migraphx; coreml on a Mac also on gpu, ane, all."
        ),
    ] = "cpu",
    cuda_backend: Annotated[
        str | None,
        typer.Option(help="How TensorRT engines reach CUDA: cuda.bindings, cudart, pycuda; the first found."),
    ] = None,
    threads: Annotated[int, typer.Option(min=0, max=1024, help="CPU threads; 0: OMP_NUM_THREADS, or all cores.")] = 0,
    self_ensemble: Annotated[
        int, typer.Option(help="Average 2, 4 or 8 mirrored and turned views: sharper, and so many times slower.")
    ] = 1,
    self_test: Annotated[
        bool | None,
        typer.Option(
            help="Replay the artifact's golden image on this device first, or never; photographs may be left out then. "
            "Default: once for each artifact, engine and machine."
        ),
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Report as JSON on standard output.")] = False,
    version: Version = False,
) -> None:
    """Sharpen photographs.

    Several photographs are independent: a damaged one is named, the others are written, and the exit code is 9, or
    that of the only kind of error.

    [bold]Examples[/]

      ensharpen-run build/nano-onnx-fp32 holiday.jpg

      ensharpen-run build/nano-onnx-fp32 *.jpg -o sharp --tile 512 --threads 2 --json

      ensharpen-run build/nano-onnx-fp32 --self-test
    """
    choice, photos = parse_tile(tile), photos or []
    if not photos and not self_test:
        raise UsageError("no photographs were given", hint="name some, or add --self-test to try the device alone")
    count = len(output_paths(photos, output, format, overwrite))  # mistakes in names show before a file is opened
    results: list[PhotoResult] = []
    with (
        load(
            artifact,
            engine,
            device,
            threads,
            self_ensemble=self_ensemble,
            cuda_backend=cuda_backend,
            self_test=self_test,
        ) as sharpener,
        progress(quiet=json_output) as bar,
    ):
        tiles = _TileBar(bar)
        work: Iterable[PhotoResult] = ()
        if photos:
            work = sharpen_files(
                sharpener, photos, output, suffix=format, tile=choice, overwrite=overwrite, progress=tiles.update
            )
        whole = bar.add_task("photographs", total=count, visible=count > 1)
        for result in work:
            tiles.remove()
            bar.advance(whole)
            results.append(result)
            if not json_output:
                _report(result)
        facts, tested = sharpener.engine, sharpener.tested
    if self_test and tested is not None and not json_output:
        stdout().print(f"{artifact}: {facts.name} on {facts.device} reproduces the golden image, {tested.facts()}")
    failed = [result.error for result in results if result.error is not None]
    if json_output:
        print_json(
            {
                "artifact": str(artifact),
                "engine": facts.name,
                "device": facts.device,
                "provider": facts.provider,
                "is_reference": facts.is_reference,
                "self_ensemble": self_ensemble,
                "self_test": None if tested is None else asdict(tested),
                "results": [result.to_dict() for result in results],
            }
        )
        for error in failed:
            print_error(error)
    if failed:
        codes = {error.exit_code for error in failed}
        raise typer.Exit(int(codes.pop() if len(codes) == 1 else ExitCode.BAD_INPUT))


class _TileBar:
    """The bar of the photograph that is being sharpened."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._task: TaskID | None = None

    def update(self, doing: str, done: int = 0, total: int = 0) -> None:
        if self._task is None:
            self._task = self._bar.add_task(doing, total=None)
        self._bar.update(self._task, completed=done, total=total)

    def remove(self) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = None


def _report(result: PhotoResult) -> None:
    if result.error is not None or result.timing is None:
        print_error(result.error or BadInputError(f"{result.source}: failed"))
        return
    for note in result.notes:
        stderr().print(f"note: {result.source}: {note}")
    milliseconds = (result.decode + result.timing.total + result.encode) * 1e3
    stdout().print(
        f"{result.output}  {result.width}x{result.height}  {milliseconds:.0f} ms "
        f"(network {result.timing.engine * 1e3:.0f} ms, {result.timing.tiles} tile{'s' * (result.timing.tiles > 1)})"
    )


def main() -> None:
    """Entry point of `ensharpen-run`."""
    run_command(app)
