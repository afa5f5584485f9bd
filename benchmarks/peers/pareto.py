"""Quality against time: who gives the most for how little."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ensharpen_edge.benchmarks.figure import figure_text, load_pyplot, save_figure
from ensharpen_edge.benchmarks.peers.contest import BLIND, ORACLE, Standing

_COLOURS = {BLIND: "tab:blue", ORACLE: "tab:orange"}


def pareto_front(standings: Sequence[Standing]) -> list[Standing]:
    """Return the blind methods that no other one beats in both speed and quality, from the fastest."""
    both = [s for s in standings if s.kind == BLIND and s.per_megapixel is not None and s.mean_psnr is not None]
    front: list[Standing] = []
    for standing in sorted(both, key=lambda s: (s.per_megapixel or 0.0, -(s.mean_psnr or 0.0))):
        if not front or (standing.mean_psnr or 0.0) > (front[-1].mean_psnr or 0.0):
            front.append(standing)
    return front


def plot_pareto(standings: Sequence[Standing], path: Path) -> None:
    """Draw mean PSNR over milliseconds per megapixel; networks without weights stand on the axis.

    Raises:
        MissingToolError: matplotlib is not installed.
        BadInputError: The picture cannot be written.
    """
    pyplot = load_pyplot()
    figure, axis = pyplot.subplots(figsize=(9, 5.4), layout="constrained")
    for number, standing in enumerate(sorted(standings, key=lambda s: s.per_megapixel or 0.0)):
        if standing.mean_psnr is not None and standing.per_megapixel is not None:
            place = (standing.per_megapixel, standing.mean_psnr)
            axis.scatter(*place, color=_COLOURS[standing.kind], zorder=3)
            beside = (5, 4) if number % 2 else (5, -11)  # neighbours in time take turns, so that names do not overlap
            axis.annotate(figure_text(standing.title), place, xytext=beside, textcoords="offset points", fontsize=8)
        elif standing.mean_psnr is not None:
            axis.axhline(standing.mean_psnr, color="grey", linewidth=1, linestyle=":")
            place = (0.01, standing.mean_psnr)
            axis.annotate(
                figure_text(standing.title), place, xycoords=("axes fraction", "data"), fontsize=8, va="bottom"
            )
    front = pareto_front(standings)
    axis.plot([s.per_megapixel or 0 for s in front], [s.mean_psnr or 0 for s in front], alpha=0.4, zorder=2)
    low = axis.get_ylim()[0]
    for standing in standings:
        if standing.mean_psnr is None and standing.per_megapixel is not None:
            place = (standing.per_megapixel, low)
            axis.plot(*place, marker="|", markersize=14, color="grey", clip_on=False)
            axis.annotate(
                figure_text(standing.title),
                place,
                xytext=(-9, 10),
                textcoords="offset points",
                fontsize=7,
                rotation=90,
                color="grey",
            )
    axis.set_xscale("log")
    axis.set_xlabel("milliseconds per megapixel (grey ticks: speed only)")
    axis.set_ylabel("PSNR, dB, mean over the conditions")
    axis.grid(alpha=0.3)
    for kind, colour in _COLOURS.items():
        axis.scatter([], [], color=colour, label=kind)
    axis.legend(loc="upper left")
    save_figure(figure, path)
