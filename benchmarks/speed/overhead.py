"""Cost of the image pipeline on top of the bare network: time against the bare engine, and peak memory."""

from __future__ import annotations

import dataclasses
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ensharpen_edge.arrays import F32, U8
from ensharpen_edge.artifact import Artifact
from ensharpen_edge.errors import UsageError
from ensharpen_edge.imaging.decode import read_photo
from ensharpen_edge.imaging.encode import write_photo
from ensharpen_edge.imaging.photo import Photo
from ensharpen_edge.process_memory import peak_resident_mib
from ensharpen_edge.runtime.engines.base import Engine
from ensharpen_edge.runtime.engines.registry import choose_engine, open_engine
from ensharpen_edge.runtime.pipeline import (
    TileChoice,
    WindowBuffer,
    cut_window,
    plan_for,
    sharpen_frame,
    sharpen_photo,
    to_batch,
)
from ensharpen_edge.runtime.sharpener import load

WARM_UP = 2
"""Rounds before the timed ones: a backend grows its memory during the first."""

_LEAST_SIDE = 64
"""Smallest side of a photograph that test frames are built from, pixels."""


@dataclass(frozen=True)
class OverheadRequest:
    """An artifact, and frames to time it on.

    Attributes:
        artifact: Artifact folder.
        photo: Photograph that the test frames are built from.
        megapixels: Size of the timed frame.
        memory_megapixels: Size of the frame of the memory test; 0 leaves it out.
        tile: Tile side of the tiled variant, pixels.
        threads: CPU threads; 0 for `OMP_NUM_THREADS`, or all cores.
        rounds: Number of timed rounds; all variants take turns in each.
    """

    artifact: Path
    photo: Path
    megapixels: float = 12.0
    memory_megapixels: float = 48.0
    tile: int = 768
    threads: int = 0
    rounds: int = 5


@dataclass(frozen=True)
class Overhead:
    """One tiling, all variants measured interleaved.

    Attributes:
        tiling: Tiling of the frame, `off` or a tile side.
        engine: Median seconds of the bare engine on the very windows the pipeline runs.
        pipeline: Median seconds from uint8 frame to uint8 frame.
        command: Median seconds from JPEG file to JPEG file.
        pipeline_ratio, command_ratio: Medians of the per-round ratios to `engine`.
        windows: Number of windows.
    """

    tiling: str
    engine: float
    pipeline: float
    command: float
    pipeline_ratio: float
    command_ratio: float
    windows: int


@dataclass(frozen=True)
class OverheadResult:
    """Cost of the pipeline, untiled and tiled.

    Attributes:
        variants: Times of each tiling.
        peak_mib: Peak resident memory of a process that sharpens one file, or None where it was not measured.
    """

    variants: tuple[Overhead, ...]
    peak_mib: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain JSON types."""
        return {"overhead": [dataclasses.asdict(variant) for variant in self.variants], "peak_mib": self.peak_mib}


def measure_overhead(request: OverheadRequest) -> OverheadResult:
    """Time the bare engine, the pipeline and the way from file to file, untiled and tiled, and measure memory.

    Raises:
        UsageError: The photograph is too small to build a frame from.
        IntegrityError: The artifact is damaged.
        BadInputError: The photograph cannot be read.
    """
    artifact, source = Artifact.open(request.artifact), read_photo(request.photo).rgb
    if min(source.shape[:2]) < _LEAST_SIDE:
        raise UsageError(f"{request.photo}: too small to build a test frame from, it needs {_LEAST_SIDE} pixels a side")
    tilings: tuple[TileChoice, ...] = ("off", request.tile)
    frame = synthetic_photo(source, request.megapixels)
    variants = time_variants(artifact, frame, tilings, request.threads, request.rounds)
    if not request.memory_megapixels:
        return OverheadResult(tuple(variants), None)
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "large.jpg"
        write_photo(Photo(synthetic_photo(source, request.memory_megapixels)), large)
        return OverheadResult(tuple(variants), peak_memory(request.artifact, large, "auto", request.threads))


def synthetic_photo(source: U8, megapixels: float) -> U8:
    """Return a 4:3 frame of the wanted size, uint8 (H, W, 3), tiled from a photograph: JPEG needs real texture."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = round(height * 4 / 3)
    repeats = (-(-height // source.shape[0]), -(-width // source.shape[1]), 1)
    return np.ascontiguousarray(np.tile(source, repeats)[:height, :width])


def time_variants(
    artifact: Artifact, frame: U8, tilings: tuple[TileChoice, ...], threads: int, rounds: int
) -> list[Overhead]:
    """Time every variant once per round, `rounds` times, so that all of them see the same machine."""
    with open_engine(artifact, threads=threads) as engine, tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.jpg", Path(folder) / "out.jpg"
        write_photo(Photo(frame), source)
        variants = {str(tiling): _variants(artifact, engine, frame, tiling, source, target) for tiling in tilings}
        times: dict[tuple[str, str], list[float]] = {}
        for round_number in range(-WARM_UP, rounds):
            for tiling, steps in variants.items():
                for name, run in steps.items():
                    start = time.perf_counter()
                    run()
                    if round_number >= 0:
                        times.setdefault((tiling, name), []).append(time.perf_counter() - start)
        windows = {str(t): len(plan_for(artifact, frame.shape[0], frame.shape[1], t)) for t in tilings}
    return [_summarise(tiling, times, windows[tiling]) for tiling in variants]


def _variants(
    artifact: Artifact, engine: Engine, frame: U8, tiling: TileChoice, source: Path, target: Path
) -> dict[str, Callable[[], object]]:
    tiles = plan_for(artifact, frame.shape[0], frame.shape[1], tiling)
    windows = [to_batch(cut_window(frame, tile), artifact.manifest.io) for tile in tiles]

    buffer = WindowBuffer()

    def command() -> None:
        sharp, _ = sharpen_photo(artifact, engine, read_photo(source), tiling, buffer=buffer)
        write_photo(sharp, target)

    return {
        "engine": lambda: _bare(engine, windows),
        "pipeline": lambda: sharpen_frame(engine, artifact.manifest.io, tiles, frame, buffer=buffer),
        "command": command,
    }


def _bare(engine: Engine, windows: list[F32]) -> None:
    for window in windows:
        engine.run(window)


def _summarise(tiling: str, times: dict[tuple[str, str], list[float]], windows: int) -> Overhead:
    engine, pipeline, command = (times[tiling, name] for name in ("engine", "pipeline", "command"))
    return Overhead(
        tiling,
        statistics.median(engine),
        statistics.median(pipeline),
        statistics.median(command),
        statistics.median(p / e for p, e in zip(pipeline, engine, strict=True)),
        statistics.median(c / e for c, e in zip(command, engine, strict=True)),
        windows,
    )


def peak_memory(artifact_path: Path, photo: Path, tiling: TileChoice, threads: int) -> float:
    """Return the peak resident MiB of a fresh process that sharpens one file, interpreter and libraries included."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return float(pool.apply(_sharpen_and_measure, (artifact_path, photo, tiling, threads)))


def _sharpen_and_measure(artifact_path: Path, photo: Path, tiling: TileChoice, threads: int) -> float:
    artifact = Artifact.open(artifact_path)
    counted = threads if choose_engine(artifact).takes_threads else 0
    with load(artifact, threads=counted) as sharpener:
        fixed = sharpener.artifact.manifest.shape.height is not None
        target = photo.with_name(f"sharp-{photo.name}")
        sharpener.sharpen_file(photo, target, overwrite=True, tile="auto" if fixed else tiling)
    return peak_resident_mib()
