"""`ensharpen-run`: sharpen photographs with an artifact."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import TaskID

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.console import print_error, print_json, progress, run_command, stderr, stdout
from ensharpen_edge.errors import BadInputError, EnsharpenError, ExitCode, OutOfMemoryError, UsageError
from ensharpen_edge.imaging.decode import SUFFIXES, read_photo
from ensharpen_edge.imaging.encode import check_writable, write_photo
from ensharpen_edge.imaging.views import check_views
from ensharpen_edge.runtime.engine import Engine
from ensharpen_edge.runtime.pipeline import (
    Progress,
    TileChoice,
    Timing,
    WindowBuffer,
    check_tileable,
    sharpen_photo,
)
from ensharpen_edge.runtime.registry import open_engine
from ensharpen_edge.runtime.self_ensemble import SelfEnsemble

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@dataclass(frozen=True)
class PhotoResult:
    """What became of one photograph: either `output` and times, or `error`."""

    source: Path
    output: Path | None = None
    error: EnsharpenError | None = None
    width: int = 0
    height: int = 0
    decode: float = 0.0
    encode: float = 0.0
    timing: Timing | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """For `--json`; times in milliseconds."""
        if self.error is not None or self.timing is None:
            return {"source": str(self.source), "error": str(self.error)}
        return {
            "source": str(self.source),
            "output": str(self.output),
            "width": self.width,
            "height": self.height,
            "tiles": self.timing.tiles,
            "ms": {
                "decode": round(self.decode * 1e3, 2),
                "pre": round(self.timing.pre * 1e3, 2),
                "engine": round(self.timing.engine * 1e3, 2),
                "post": round(self.timing.post * 1e3, 2),
                "encode": round(self.encode * 1e3, 2),
            },
            "notes": list(self.notes),
        }


def parse_tile(text: str) -> TileChoice:
    """`auto`, `off`, or a side in pixels.

    Raises:
        UsageError: None of these.
    """
    if text == "auto":
        return "auto"
    if text == "off":
        return "off"
    if re.fullmatch(r"[0-9]{1,6}", text) and int(text) > 0:
        return int(text)
    raise UsageError(f"--tile must be 'auto', 'off' or a number of pixels, got {text!r}")


def output_paths(photos: list[Path], folder: Path, suffix: str | None, overwrite: bool = False) -> list[Path]:
    """Where each photograph goes.

    Raises:
        UsageError: Two would get the same name, one would overwrite a source, a file beside the sources or, unless
            `overwrite`, any file at all; or an unknown format.
    """
    if suffix is not None and f".{suffix}" not in SUFFIXES:
        raise UsageError(f"--format {suffix!r} is not written", hint=f"known: {', '.join(s[1:] for s in SUFFIXES)}")
    targets: dict[str, tuple[Path, Path]] = {}
    # However a folder is written, `..` and links included, it is the same folder.
    source_folders = {photo.parent.resolve() for photo in photos}
    sources = {photo.resolve() for photo in photos}
    for photo in dict.fromkeys(photos):
        target = folder / (photo.name if suffix is None else f"{photo.stem}.{suffix}")
        key = str(target).casefold()  # some file systems do not tell A from a
        if photo.name and key in targets:
            raise UsageError(f"{photo} and {targets[key][0]} would both be written to {target}")
        beside = folder.resolve() in source_folders and os.path.lexists(target)
        if beside or target.resolve() in sources:
            raise UsageError(f"{target}: exists beside the photographs", hint="choose another folder with -o")
        if photo.name not in ("", "..") and os.path.lexists(target) and not overwrite:
            raise UsageError(f"{target}: exists already", hint="choose another folder with -o, or add --overwrite")
        targets[key if photo.name else str(photo)] = (photo, target)
    return [target for _, target in targets.values()]


def prepare_folder(folder: Path) -> None:
    """Create the output folder.

    Raises:
        BadInputError: It cannot be created or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInputError(f"{folder}: cannot be created ({error})") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadInputError(f"{folder}: cannot be written to")


def process(
    artifact: Artifact,
    engine: Engine,
    source: Path,
    target: Path,
    tile: TileChoice,
    update: Progress,
    buffer: WindowBuffer | None = None,
) -> PhotoResult:
    """Decode, sharpen, encode one photograph; a user error becomes part of the result."""
    try:
        if source.is_dir():
            raise BadInputError(f"{source}: is a folder", hint=f"give {source}/*.jpg")
        start = time.perf_counter()
        photo = read_photo(source)
        decoded = time.perf_counter()
        check_writable(target)
        height, width, notes = photo.height, photo.width, photo.notes
        sharp, timing = sharpen_photo(artifact, engine, photo, tile, update, buffer)
        del photo  # a 48-megapixel source need not stay in memory while its result is encoded
        before_encode = time.perf_counter()
        notes += write_photo(sharp, target)
        encode = time.perf_counter() - before_encode
    except OutOfMemoryError as error:
        return PhotoResult(source, error=OutOfMemoryError(f"{source}: {error}"))
    except EnsharpenError as error:
        return PhotoResult(source, error=error)
    except MemoryError:
        return PhotoResult(source, error=OutOfMemoryError(f"{source}: not enough memory"))
    except OSError as error:
        return PhotoResult(source, error=BadInputError(f"{source}: {error}"))
    return PhotoResult(
        source, target, None, width, height, decoded - start, encode, timing, notes
    )  # fmt: skip


@app.command()
def run(
    artifact: Annotated[Path, typer.Argument(help="Artifact folder, as ensharpen-export writes it.")],
    photos: Annotated[list[Path], typer.Argument(help="Photographs: JPEG, PNG, WebP, TIFF.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")] = Path("sharp"),
    tile: Annotated[
        str, typer.Option(help="'auto', 'off', or tile side in pixels. Never changes the result.")
    ] = "auto",
    format: Annotated[str | None, typer.Option(help="Write jpg, png, webp or tif instead of the source's.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are in the folder.")] = False,
    device: Annotated[
        str, typer.Option(help="Where the backend runs: cpu, cuda; for coreml on a Mac also gpu, ane, all.")
    ] = "cpu",
    cuda_backend: Annotated[
        str | None,
        typer.Option(help="How TensorRT engines reach CUDA: cuda.bindings, cudart, pycuda; the first found."),
    ] = None,
    threads: Annotated[int, typer.Option(min=0, max=1024, help="CPU threads; 0 takes all cores.")] = 0,
    self_ensemble: Annotated[
        int, typer.Option(help="Average 2, 4 or 8 mirrored and turned views: sharper, and so many times slower.")
    ] = 1,
    json_output: Annotated[bool, typer.Option("--json", help="Report as JSON on standard output.")] = False,
) -> None:
    """Sharpen photographs.

    Several photographs are independent: a damaged one is named, the others are written, and the exit code is 9, or
    that of the only kind of error.

    [bold]Examples[/]

      ensharpen-run build/nano-onnx-fp32 holiday.jpg

      ensharpen-run build/nano-onnx-fp32 *.jpg -o sharp --tile 512 --threads 2 --json
    """
    choice = parse_tile(tile)
    targets = output_paths(photos, output, format, overwrite)
    opened = Artifact.open(artifact)
    shape = opened.manifest.shape
    if choice != "auto" and shape.height is not None:
        raise UsageError(
            f"--tile: {artifact} takes windows of {shape.width}x{shape.height} pixels only", hint="leave --tile out"
        )
    if isinstance(choice, int):
        check_tileable(opened)
    check_views(self_ensemble)
    if cuda_backend and opened.manifest.target != "trt":
        raise UsageError(f"--cuda-backend is for TensorRT engines, {artifact} is for {opened.manifest.target}")
    if threads and opened.manifest.target in ("coreml", "trt"):
        raise UsageError(f"--threads is for CPUs' own runtimes, {artifact} is for {opened.manifest.target}")
    prepare_folder(output)
    engine = open_engine(opened, f"cuda:{cuda_backend}" if cuda_backend else device, threads)
    if self_ensemble > 1:
        engine = SelfEnsemble(engine, opened.manifest.io, opened.manifest.shape, self_ensemble)
    results: list[PhotoResult] = []
    buffer = WindowBuffer()
    with progress(quiet=json_output) as bar:
        whole = bar.add_task("photographs", total=len(targets), visible=len(targets) > 1)
        for source, target in zip(dict.fromkeys(photos), targets, strict=True):
            task = bar.add_task(source.name, total=None)
            result = process(opened, engine, source, target, choice, _updater(bar.update, task), buffer)
            bar.remove_task(task)
            bar.advance(whole)
            results.append(result)
            if not json_output:
                _report(result)
    engine.close()
    if json_output:
        print_json(
            {
                "artifact": str(artifact),
                "device": engine.device,
                "self_ensemble": self_ensemble,
                "results": [r.to_dict() for r in results],
            }
        )
    failed = [r.error for r in results if r.error is not None]
    if json_output:
        for error in failed:
            print_error(error)
    if failed:
        codes = {error.exit_code for error in failed}
        raise typer.Exit(int(codes.pop() if len(codes) == 1 else ExitCode.BAD_INPUT))


def _updater(update: Any, task: TaskID) -> Progress:  # noqa: ANN401 (rich's bound method)
    return lambda done, total: update(task, completed=done, total=total)


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
