"""Quality of artifacts on folders of sharp photographs, degraded by a published protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.benchmarks.protocol import F32, KERNEL_SIZE, GaussianCase, degrade
from ensharpen_edge.benchmarks.unsharp import SETTINGS, unsharp_mask
from ensharpen_edge.errors import BadInputError
from ensharpen_edge.imaging.decode import SUFFIXES, read_photo
from ensharpen_edge.imaging.photo import U8
from ensharpen_edge.metrics.psnr import psnr
from ensharpen_edge.metrics.ssim import ssim
from ensharpen_edge.runtime.engine import Engine
from ensharpen_edge.runtime.pipeline import plan_for, sharpen_frame

SMALLEST = KERNEL_SIZE
"""Sides of the photographs must be at least this."""

Method = Callable[[F32], F32]
"""float32 (H, W, 3) in [0, 1] -> the same."""


@dataclass(frozen=True)
class Score:
    """Mean over the photographs.

    Attributes:
        method: What was measured.
        psnr_rgb, psnr_y: dB.
        ssim: Structural similarity.
        per_image: `psnr_rgb` of every photograph.
    """

    method: str
    psnr_rgb: float
    psnr_y: float
    ssim: float
    per_image: tuple[float, ...]


def photo_files(folder: Path) -> list[Path]:
    """Photographs directly in a folder.

    Raises:
        BadInputError: No such folder, or no photographs in it.
    """
    files = sorted(p for p in folder.glob("*") if p.suffix.lower() in SUFFIXES)
    if not files:
        raise BadInputError(f"{folder}: holds no photographs", hint="give the folder of an evaluation set with --data")
    return files


def artifact_method(artifact: Artifact, engine: Engine) -> Method:
    """The artifact on float images, through the runtime's own pipeline but without rounding its input to 8 bits."""

    def run(image: F32) -> F32:
        plan = plan_for(artifact, image.shape[0], image.shape[1], "off")
        return sharpen_frame(engine, artifact.manifest.io, plan, image)[0]

    return run


def evaluate(
    files: Sequence[Path],
    case: GaussianCase,
    methods: dict[str, Method],
    progress: Callable[[int, int], None] | None = None,
) -> list[Score]:
    """Measure the degraded photographs, the best unsharp mask, and every method, all on the same pixels."""
    candidates: dict[str, Method] = {"degraded": lambda image: image}
    for radius, percent in SETTINGS:
        candidates[f"unsharp {radius:g}/{percent}"] = _unsharp(radius, percent)
    candidates |= methods
    rows: dict[str, list[tuple[float, float, float]]] = {name: [] for name in candidates}
    for done, file in enumerate(files, start=1):
        sharp = read_photo(file).rgb
        if min(sharp.shape[:2]) < SMALLEST:
            raise BadInputError(f"{file}: smaller than {SMALLEST} pixels, the protocol's kernel does not fit")
        degraded = degrade(sharp, case)
        for name, method in candidates.items():
            rows[name].append(_measure(method(degraded), sharp))
        if progress:
            progress(done, len(files))
    scores = [_summary(name, values) for name, values in rows.items()]
    return _keep_best_unsharp(scores)


def _unsharp(radius: float, percent: int) -> Method:
    return lambda image: unsharp_mask(image, radius, percent)


def _measure(output: F32, sharp: U8) -> tuple[float, float, float]:
    target = sharp.astype(np.float32) / np.float32(255.0)
    return (
        psnr(output, target, data_range=1.0),
        psnr(output, target, data_range=1.0, channels="y"),
        ssim(output, target, data_range=1.0),
    )


def _summary(name: str, values: list[tuple[float, float, float]]) -> Score:
    rgb, luma, structure = (tuple(column) for column in zip(*values, strict=True))
    return Score(name, float(np.mean(rgb)), float(np.mean(luma)), float(np.mean(structure)), rgb)


def _keep_best_unsharp(scores: list[Score]) -> list[Score]:
    masks = [score for score in scores if score.method.startswith("unsharp")]
    best = max(masks, key=lambda score: score.psnr_rgb)
    return [score for score in scores if score not in masks or score is best]
