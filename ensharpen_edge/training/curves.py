"""Learning curves of runs as a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ensharpen_edge.errors import BadInputError, require
from ensharpen_edge.files import whole_file
from ensharpen_edge.training.log import LOG_FILE


def read_log(run: Path) -> list[dict[str, Any]]:
    """Return the records of a run. Where a step was done twice, after a kill, the later record counts.

    Raises:
        BadInputError: No readable log.
    """
    path = run / LOG_FILE
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise BadInputError(f"{path}: no readable log ({error})") from error
    records = []
    for line in lines:
        try:
            records.append(json.loads(line))
        except ValueError:
            continue  # a kill can cut a line off
    kept: list[dict[str, Any]] = []
    for record in records:
        while kept and (kept[-1]["step"], "val_psnr" in kept[-1]) >= (record["step"], "val_psnr" in record):
            kept.pop()
        kept.append(record)
    return kept


def running_mean(values: list[float]) -> list[float]:
    """Return the mean of each value and those before it, with exponentially falling weights that add up to one.

    They fall by e over a fiftieth of the values; fifty values and fewer stay as they are.
    """
    keep = 1.0 - min(1.0, 50.0 / max(1, len(values)))
    means, total, weight = [], 0.0, 0.0
    for value in values:
        total, weight = keep * total + value, keep * weight + 1.0
        means.append(total / weight)
    return means


def draw_curves(runs: list[Path], out: Path) -> None:
    """Draw loss, validation by degradation, and speed of one or several runs over their steps, as a PNG.

    Raises:
        BadInputError: A run has no log, or the picture cannot be written.
        MissingToolError: Matplotlib is not installed.
    """
    pyplot = require("matplotlib.figure", "train")
    figure = pyplot.Figure(figsize=(13, 4), layout="constrained")
    loss_axes, psnr_axes, speed_axes = figure.subplots(1, 3)
    for number, run in enumerate(runs):
        records = read_log(run)
        colour = f"C{number}"
        steps = [r for r in records if "loss" in r]
        checks = [r for r in records if "val_psnr" in r]
        losses = [r["loss"] for r in steps]
        loss_axes.plot([r["step"] for r in steps], losses, color=colour, lw=0.5, alpha=0.2)
        loss_axes.plot([r["step"] for r in steps], running_mean(losses), color=colour, label=run.name)
        at = [r["step"] for r in checks]
        came_in = f" (input {checks[0]['val_degraded']:.2f} dB)" if checks else ""
        psnr_axes.plot(at, [r["val_psnr"] for r in checks], color=colour, label=f"{run.name}, mean{came_in}")
        for index, case in enumerate(checks[-1]["val"] if checks and len(runs) == 1 else ()):
            gains = [r["val"].get(case) for r in checks]
            psnr_axes.plot(at, gains, lw=0.8, ls="--", color=f"C{index + 1}", label=case)
        speed_axes.plot([r["step"] for r in steps], [r["mp_per_s"] for r in steps], color=colour, lw=0.8)
    loss_axes.set(title="loss (thin: of single steps)", xlabel="step", yscale="log")
    psnr_axes.set(title="validation PSNR, dB", xlabel="step")
    speed_axes.set(title="megapixels per second", xlabel="step", ylim=(0, None))
    for axes in (loss_axes, psnr_axes):
        axes.legend(fontsize=7)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(out) as temporary:
            figure.savefig(temporary, format="png", dpi=110)
    except OSError as error:
        raise BadInputError(f"{out}: cannot write the picture ({error})") from error
