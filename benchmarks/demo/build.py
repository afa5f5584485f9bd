"""Blur, sharpen, measure, show."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.benchmarks.demo.page import DemoRow, render
from ensharpen_edge.benchmarks.demo.sheet import CROP, Strip, write_sheet
from ensharpen_edge.benchmarks.protocol import GaussianCase, blur_circular, gaussian_kernel
from ensharpen_edge.benchmarks.suites import photo_files
from ensharpen_edge.errors import BadInputError
from ensharpen_edge.imaging.decode import read_photo
from ensharpen_edge.imaging.encode import write_photo
from ensharpen_edge.imaging.photo import U8, Photo
from ensharpen_edge.metrics.psnr import psnr
from ensharpen_edge.runtime.engine import Engine
from ensharpen_edge.runtime.pipeline import sharpen_photo
from ensharpen_edge.runtime.registry import open_engine
from ensharpen_edge.whole_file import whole_file

CASE = GaussianCase(blur=1.6, noise=2.55)
_MARGIN = 16


def blur_photo(sharp: U8, case: GaussianCase) -> U8:
    """What a soft lens would have saved: blurred with mirrored borders, noisy, rounded to 8 bits."""
    padded = np.pad(sharp, ((_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0)), mode="reflect").astype(np.float64)
    blurred = blur_circular(padded, gaussian_kernel(case.blur))[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    noisy = blurred + np.random.RandomState(0).normal(0.0, case.noise, blurred.shape)
    return np.rint(np.clip(noisy, 0.0, 255.0)).astype(np.uint8)


def build_demo(artifact: Artifact, photos: Path, out: Path, threads: int = 0) -> list[DemoRow]:
    """Write `index.html`, its pictures and the contact sheet into `out`; returns one row per photograph."""
    files = photo_files(photos)
    stems = [file.stem for file in files]
    names = [file.stem if stems.count(file.stem) == 1 else file.name for file in files]
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInputError(f"{out}: cannot be created ({error})") from error
    with open_engine(artifact, threads=threads) as engine:
        pairs = [_one(artifact, engine, file, name, out) for file, name in zip(files, names, strict=True)]
    rows = [row for row, _ in pairs]
    strips = [strip for _, strip in pairs if min(strip.truth.shape[:2]) >= CROP]
    if strips:
        write_sheet(strips, out / "sheet.png")
    lead = (
        f"Photographs the network has never seen, blurred (Gaussian, {CASE.blur:g} px), with noise "
        f"({CASE.noise:g}/255), then sharpened by the artifact {artifact.path.name} "
        f"({artifact.model_path.stat().st_size // 1024} KiB). Drag the dividers."
    )
    with whole_file(out / "index.html") as page:
        page.write_text(render(lead, rows), encoding="utf-8")
    return rows


def _one(artifact: Artifact, engine: Engine, file: Path, name: str, out: Path) -> tuple[DemoRow, Strip]:
    truth = read_photo(file)
    before = dataclasses.replace(truth, rgb=blur_photo(truth.rgb, CASE))
    sharpen_photo(artifact, engine, before)  # the first run of a size pays for memory; the second is timed
    after, timing = sharpen_photo(artifact, engine, before)
    for suffix, pixels in (("before", before.rgb), ("after", after.rgb), ("truth", truth.rgb)):
        write_photo(Photo(pixels), out / f"{name}-{suffix}.png")
    scores = [psnr(image.rgb, truth.rgb, data_range=255) for image in (before, after)]
    row = DemoRow(name, truth.width, truth.height, scores[0], scores[1], timing.total * 1e3)
    return row, Strip(name, before.rgb, after.rgb, truth.rgb, scores[0], scores[1])
