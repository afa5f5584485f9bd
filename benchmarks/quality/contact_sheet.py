"""A contact sheet: the busiest crop of one photograph per suite, as every method left it, beside the truth."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ensharpen_edge.arrays import U8
from ensharpen_edge.benchmarks.quality.busiest_crop import busiest_crop
from ensharpen_edge.benchmarks.quality.scoring import BEST_UNSHARP, DEGRADED, Method, run_method, unsharp_methods
from ensharpen_edge.benchmarks.quality.selection import SuiteRun
from ensharpen_edge.benchmarks.quality.suite_result import SuiteResult
from ensharpen_edge.files import write_file
from ensharpen_edge.metrics.psnr import psnr
from ensharpen_edge.runtime.codes import floats_to_pixels
from ensharpen_edge.visible_text import one_line

ZOOM = 2
_GAP, _HEADER = 6, 24


@dataclass(frozen=True)
class SheetRow:
    """One photograph.

    Attributes:
        title: Names of suite, condition and photograph.
        crops: Crops by label, uint8 (H, W, 3), all of one size.
    """

    title: str
    crops: dict[str, U8]


def sheet_rows(
    runs: Sequence[SuiteRun], results: Sequence[SuiteResult], methods: Mapping[str, Method]
) -> list[SheetRow]:
    """Return the middle condition of every suite, on one photograph after the other.

    Args:
        runs: Suites that were measured.
        results: Their results, in the same order; the unsharp mask is shown in its best setting.
        methods: Methods to show, by name.
    """
    return [
        _row(suite, result, number, methods) for number, (suite, result) in enumerate(zip(runs, results, strict=True))
    ]


def _row(suite: SuiteRun, result: SuiteResult, number: int, methods: Mapping[str, Method]) -> SheetRow:
    name = list(suite.conditions)[len(suite.conditions) // 2]
    unsharp = next(score.setting for score in result.cases[name] if score.method == BEST_UNSHARP)
    count = suite.photographs // len(suite.conditions)
    pair = next(itertools.islice(suite.conditions[name].pairs(), number % count, None))
    rows, columns = busiest_crop(pair.sharp)
    shown = suite.conditions[name].blind(
        {DEGRADED: lambda image: image, f"unsharp {unsharp}": unsharp_methods()[unsharp], **methods}
    )
    target = pair.truth
    crops = {}
    for label, method in shown.items():
        output = run_method(method, pair)
        decibels = psnr(output, target, data_range=1.0)
        quality = f"{decibels:.2f} dB" if np.isfinite(decibels) else "equal"
        crops[f"{label}, {quality}"] = floats_to_pixels(output)[rows, columns]
    return SheetRow(f"{suite.title}: {name}, {pair.name}", {**crops, "truth": pair.sharp[rows, columns]})


def write_contact_sheet(rows: Sequence[SheetRow], path: Path) -> None:
    """Write a PNG file: a line per row of crops, every pixel shown as `ZOOM` x `ZOOM`, columns as wide as their labels.

    Raises:
        BadInputError: The file cannot be written.
    """
    font = ImageFont.load_default(size=13)
    columns = max(len(row.crops) for row in rows)
    rows = [SheetRow(one_line(row.title), {one_line(k): v for k, v in row.crops.items()}) for row in rows]
    labels = [label for row in rows for label in row.crops]
    cell = max(
        *(pixels.shape[1] * ZOOM for row in rows for pixels in row.crops.values()),
        *(math.ceil(font.getlength(label)) for label in labels),
    )
    width = max(columns * (cell + _GAP), *(math.ceil(font.getlength(row.title)) + _GAP for row in rows))
    heights = [next(iter(row.crops.values())).shape[0] * ZOOM for row in rows]
    sheet, top = Image.new("RGB", (width, sum(heights) + 2 * _HEADER * len(rows)), "white"), 0
    draw = ImageDraw.Draw(sheet)
    for row, high in zip(rows, heights, strict=True):
        draw.text((0, top + 5), row.title, fill="black", font=font)
        for column, (label, pixels) in enumerate(row.crops.items()):
            left = column * (cell + _GAP)
            draw.text((left, top + _HEADER + 4), label, fill="black", font=font)
            enlarged = Image.fromarray(pixels).resize((pixels.shape[1] * ZOOM, high), Image.Resampling.NEAREST)
            sheet.paste(enlarged, (left, top + 2 * _HEADER))
        top += high + 2 * _HEADER
    buffer = io.BytesIO()
    sheet.save(buffer, format="PNG", optimize=True)
    write_file(path, buffer.getvalue())
