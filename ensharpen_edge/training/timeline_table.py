"""The curriculum as a table, printed before a run starts."""

from __future__ import annotations

from rich.table import Table

from ensharpen_edge.training.config import TrainConfig
from ensharpen_edge.training.curriculum import Timeline

_BAR = 24


def timeline_table(config: TrainConfig, timeline: Timeline | None = None) -> Table:
    """Return one row per stage; shares stand for steps as long as there is no timeline."""
    length = f"{timeline.total:,} steps" if timeline else f"{config.minutes:g} minutes"
    table = Table(title=f"{config.model.name}, {length}")
    for heading in ("stage", "when", "steps" if timeline else "share", "mix", "crop", "batch", "strength", "depth"):
        wide = _BAR if heading == "when" else None
        table.add_column(heading, justify="left" if heading in ("stage", "when", "mix") else "right", min_width=wide)
    shares = [stage.share for stage in config.stages]
    if timeline:
        shares = [float(steps) for steps in timeline.steps]
    done = 0.0
    for index, stage in enumerate(config.stages):
        begin, end = (round(_BAR * value / sum(shares)) for value in (done, done + shares[index]))
        done += shares[index]
        table.add_row(
            stage.title,
            "·" * begin + "█" * max(1, end - begin) + "·" * (_BAR - max(end, begin + 1)),
            f"{timeline.steps[index]:,}" if timeline else f"{100 * stage.share / sum(shares):.0f} %",
            stage.mix,
            str(stage.crop),
            str(stage.batch),
            f"{stage.strength[0]:g} -> {stage.strength[1]:g}",
            f"{stage.depth:g}",
        )
    return table
