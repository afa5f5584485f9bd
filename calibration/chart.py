"""A chart of sensitivities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ensharpen_edge.calibration.plan import INT8, Plan
from ensharpen_edge.calibration.sensitivity import ALL_BUT, LAYER, ONLY, Damage
from ensharpen_edge.errors import require
from ensharpen_edge.files import whole_file


def draw_sensitivities(damages: Sequence[Damage], plan: Plan | None, title: str, path: Path) -> None:
    """Draw the sensitivity of every layer as PSNR against the float network, dB.

    A bar shows the PSNR when only that layer is quantized, pale where a plan keeps it in float; a dot shows the PSNR
    when all but that layer are quantized.

    Raises:
        MissingToolError: matplotlib is not installed.
    """
    figure = require("matplotlib.figure", "train").Figure
    alone = {d.name: d.psnr for d in damages if (d.kind, d.how) == (LAYER, ONLY)}
    without = {d.name: d.psnr for d in damages if (d.kind, d.how) == (LAYER, ALL_BUT)}
    names = list(alone)
    canvas = figure(figsize=(8, 0.19 * len(names) + 1.2), layout="constrained")
    axes = canvas.add_subplot()
    rows = range(len(names))
    colours = ["#d9a066" if plan and plan.layers.get(name) != INT8 else "#3b6ea5" for name in names]
    axes.barh(rows, [min(alone[name], 90.0) for name in names], color=colours)
    axes.plot([without[name] for name in names], rows, ".", color="black")
    axes.set_yticks(rows, names, fontsize=6)
    axes.invert_yaxis()
    low = min([*without.values(), *alone.values()])
    axes.set_xlim(max(0.0, low - 3.0), min(90.0, max(alone.values())) + 2.0)
    axes.set_xlabel("PSNR against the float network, dB")
    meaning = "bar: only this layer in int8 (pale: the plan keeps it in float); dot: all layers but this one"
    axes.set_title(f"{title}\n{meaning}", fontsize=8)
    with whole_file(path) as temporary:
        canvas.savefig(temporary, dpi=110, format="png")
