"""A contact sheet: the busiest crop of one photograph per suite, as every method left it, beside the truth."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ensharpen_edge.benchmarks.protocol import F32
from ensharpen_edge.benchmarks.quality import BEST_UNSHARP, DEGRADED, Method, unsharp_methods
from ensharpen_edge.benchmarks.quality_plan import SuitePlan
from ensharpen_edge.benchmarks.quality_report import SuiteResult
from ensharpen_edge.benchmarks.report.pictures import busiest_crop
from ensharpen_edge.imaging.photo import U8
from ensharpen_edge.metrics.psnr import psnr
from ensharpen_edge.whole_file import whole_file

ZOOM = 2
_GAP, _HEADER = 6, 24


@dataclass(frozen=True)
class SheetRow:
    """One photograph.

    Attributes:
        title: Suite, condition and photograph.
        crops: By label, uint8 (H, W, 3) of one size.
    """

    title: str
    crops: dict[str, U8]


def sheet_rows(
    plans: Sequence[SuitePlan], results: Sequence[SuiteResult], methods: Mapping[str, Method]
) -> list[SheetRow]:
    """The middle condition of every suite, on one photograph after the other."""
    return [
        _row(plan, result, number, methods) for number, (plan, result) in enumerate(zip(plans, results, strict=True))
    ]


def _row(plan: SuitePlan, result: SuiteResult, number: int, methods: Mapping[str, Method]) -> SheetRow:
    name = list(plan.cases)[len(plan.cases) // 2]
    unsharp = next(score.setting for score in result.cases[name] if score.method == BEST_UNSHARP)
    count = len(result.cases[name][0].values["psnr"])
    pair = next(itertools.islice(plan.cases[name].pairs(), number % count, None))
    rows, columns = busiest_crop(pair.sharp)
    shown: dict[str, Method] = {
        DEGRADED: lambda image: image,
        f"unsharp {unsharp}": unsharp_methods()[unsharp],
        **methods,
    }
    target = pair.sharp.astype(np.float32) / np.float32(255)
    crops = {}
    for label, method in shown.items():
        output = method(pair.degraded)
        decibels = psnr(output, target, data_range=1.0)
        crops[f"{label}, {decibels:.2f} dB"] = _codes(output)[rows, columns]
    return SheetRow(f"{plan.title}: {name}, {pair.name}", {**crops, "truth": pair.sharp[rows, columns]})


def _codes(image: F32) -> U8:
    return np.rint(np.clip(image, 0.0, 1.0) * 255).astype(np.uint8)


def write_contact_sheet(rows: Sequence[SheetRow], path: Path) -> None:
    """One row per photograph, one column per method; every pixel is shown as `ZOOM` x `ZOOM`."""
    sides = [next(iter(row.crops.values())).shape[:2] for row in rows]
    width = max(len(row.crops) * (side[1] * ZOOM + _GAP) for row, side in zip(rows, sides, strict=True))
    height = sum(side[0] * ZOOM + 2 * _HEADER for side in sides)
    sheet, top = Image.new("RGB", (width, height), "white"), 0
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=13)
    for row, (high, wide) in zip(rows, sides, strict=True):
        draw.text((4, top + 5), row.title, fill="black", font=font)
        for column, (label, pixels) in enumerate(row.crops.items()):
            left = column * (wide * ZOOM + _GAP)
            draw.text((left + 4, top + _HEADER + 4), label, fill="black", font=font)
            enlarged = Image.fromarray(pixels).resize((wide * ZOOM, high * ZOOM), Image.Resampling.NEAREST)
            sheet.paste(enlarged, (left, top + 2 * _HEADER))
        top += high * ZOOM + 2 * _HEADER
    with whole_file(path) as temporary:
        sheet.save(temporary, optimize=True)
