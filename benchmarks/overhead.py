"""What the image pipeline costs on top of the bare network: time against the bare engine, and peak memory."""

from __future__ import annotations

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.imaging.decode import read_photo
from ensharpen_edge.imaging.encode import write_photo
from ensharpen_edge.imaging.photo import U8, Photo
from ensharpen_edge.process_memory import peak_resident_mib
from ensharpen_edge.runtime.engine import F32, Engine
from ensharpen_edge.runtime.pipeline import (
    TileChoice,
    WindowBuffer,
    cut_window,
    plan_for,
    sharpen_frame,
    sharpen_photo,
    to_batch,
)
from ensharpen_edge.runtime.registry import open_engine

WARM_UP = 2
"""Rounds before the timed ones: a backend grows its memory during the first."""


@dataclass(frozen=True)
class Overhead:
    """One tiling, all variants measured interleaved.

    Attributes:
        tiling: `off` or a tile side.
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


def synthetic_photo(source: U8, megapixels: float) -> U8:
    """A 4:3 frame of the wanted size, tiled from a photograph: real texture, so JPEG coding costs what it costs."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = round(height * 4 / 3)
    repeats = (-(-height // source.shape[0]), -(-width // source.shape[1]), 1)
    return np.ascontiguousarray(np.tile(source, repeats)[:height, :width])


def measure_overhead(
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
        plans = {str(t): plan_for(artifact, frame.shape[0], frame.shape[1], t) for t in tilings}
    return [_summarise(tiling, times, len(plans[tiling])) for tiling in variants]


def _variants(
    artifact: Artifact, engine: Engine, frame: U8, tiling: TileChoice, source: Path, target: Path
) -> dict[str, Callable[[], object]]:
    plan = plan_for(artifact, frame.shape[0], frame.shape[1], tiling)
    windows = [to_batch(cut_window(frame, tile), artifact.manifest.io) for tile in plan]

    buffer = WindowBuffer()

    def command() -> None:
        sharp, _ = sharpen_photo(artifact, engine, read_photo(source), tiling, buffer=buffer)
        write_photo(sharp, target)

    return {
        "engine": lambda: _bare(engine, windows),
        "pipeline": lambda: sharpen_frame(engine, artifact.manifest.io, plan, frame, buffer=buffer),
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
    """Peak resident memory in MiB of a fresh process that sharpens one file, interpreter and libraries included."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return float(pool.apply(_sharpen_and_measure, (artifact_path, photo, tiling, threads)))


def _sharpen_and_measure(artifact_path: Path, photo: Path, tiling: TileChoice, threads: int) -> float:
    from ensharpen_edge.runtime.cli import process

    artifact = Artifact.open(artifact_path)
    with open_engine(artifact, threads=threads) as engine:
        result = process(artifact, engine, photo, photo.with_name(f"sharp-{photo.name}"), tiling, lambda _d, _t: None)
    if result.error is not None:
        raise result.error
    return peak_resident_mib()
