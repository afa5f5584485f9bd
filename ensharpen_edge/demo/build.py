"""The demonstration: photographs blurred, sharpened, measured and shown on one page."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.demo.page import DemoRow, render
from ensharpen_edge.demo.sheet import CROP, Strip, write_sheet
from ensharpen_edge.demo.soft_photo import Softness, soften
from ensharpen_edge.errors import BadInputError, QualityError
from ensharpen_edge.files import whole_file
from ensharpen_edge.imaging.decode import read_photo
from ensharpen_edge.imaging.encode import write_photo
from ensharpen_edge.imaging.photo import Photo
from ensharpen_edge.imaging.photo_folder import photo_files
from ensharpen_edge.json_numbers import json_numbers
from ensharpen_edge.metrics.psnr import psnr
from ensharpen_edge.runtime.engines.base import Engine
from ensharpen_edge.runtime.engines.registry import open_engine
from ensharpen_edge.runtime.pipeline import sharpen_photo

SOFTNESS = Softness(blur=1.6, noise=2.55)
"""Strength of the blur and the noise that photographs are given."""


@dataclass(frozen=True)
class DemoRequest:
    """An artifact, and photographs to show it on.

    Attributes:
        artifact: Artifact folder.
        photos: Folder of sharp photographs.
        out: Folder for the page and its pictures.
        threads: CPU threads; 0 takes all cores.
    """

    artifact: Path
    photos: Path
    out: Path
    threads: int = 0


@dataclass(frozen=True)
class DemoResult:
    """The finished page.

    Attributes:
        page: The HTML file.
        rows: Scores of every photograph.
    """

    page: Path
    rows: tuple[DemoRow, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the page's place and the scores as plain JSON types."""
        rows = [{**json_numbers(dataclasses.asdict(row)), "gain": json_numbers(row.gain)} for row in self.rows]
        return {"page": str(self.page), "photographs": rows}

    def check(self) -> None:
        """Raise `QualityError` when a photograph came out no sharper than it went in."""
        worse = [row.name for row in self.rows if row.gain <= 0]
        if worse:
            raise QualityError(f"not sharpened: {', '.join(worse)}")


def build_demo(request: DemoRequest) -> DemoResult:
    """Write `index.html`, its pictures and the contact sheet.

    Raises:
        IntegrityError: The artifact is damaged.
        BadInputError: There are no photographs, one cannot be read, or the folder cannot be written.
    """
    artifact, out = Artifact.open(request.artifact), request.out
    files = photo_files(request.photos)
    stems = [file.stem for file in files]
    names = [file.stem if stems.count(file.stem) == 1 else file.name for file in files]
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInputError(f"{out}: cannot be created ({error})") from error
    with open_engine(artifact, threads=request.threads) as engine:
        pairs = [_one(artifact, engine, file, name, out) for file, name in zip(files, names, strict=True)]
    rows = [row for row, _ in pairs]
    strips = [strip for _, strip in pairs if min(strip.truth.shape[:2]) >= CROP]
    if strips:
        write_sheet(strips, out / "sheet.png")
    lead = (
        f"Photographs the network has never seen, blurred (Gaussian, {SOFTNESS.blur:g} px), with noise "
        f"({SOFTNESS.noise:g}/255), then sharpened by the artifact {artifact.path.name} "
        f"({artifact.model_path.stat().st_size // 1024} KiB). Drag the dividers."
    )
    with whole_file(out / "index.html") as page:
        page.write_text(render(lead, rows), encoding="utf-8")
    return DemoResult(out / "index.html", tuple(rows))


def _one(artifact: Artifact, engine: Engine, file: Path, name: str, out: Path) -> tuple[DemoRow, Strip]:
    truth = read_photo(file)
    before = dataclasses.replace(truth, rgb=soften(truth.rgb, SOFTNESS))
    sharpen_photo(artifact, engine, before)  # the first run of a size pays for memory; the second is timed
    after, timing = sharpen_photo(artifact, engine, before)
    for suffix, pixels in (("before", before.rgb), ("after", after.rgb), ("truth", truth.rgb)):
        write_photo(Photo(pixels), out / f"{name}-{suffix}.png")
    scores = [psnr(image.rgb, truth.rgb, data_range=255) for image in (before, after)]
    row = DemoRow(name, truth.width, truth.height, scores[0], scores[1], timing.total * 1e3)
    return row, Strip(name, before.rgb, after.rgb, truth.rgb, scores[0], scores[1])
