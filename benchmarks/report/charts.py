"""Charts of a report, as SVG text to be put into the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ensharpen_edge.benchmarks.figure import figure_svg, figure_text, load_pyplot
from ensharpen_edge.benchmarks.report.collect import Report, ReportEntry

_LEAST_SPAN = 0.1
"""Span that the quality axis shows at least, dB: smaller differences are no differences to look at."""


def latency_chart(entries: Sequence[ReportEntry]) -> str:
    """Return a chart with every timed run as a dot and medians as lines; empty where nothing was timed."""
    pyplot = load_pyplot()
    timed = [entry for entry in entries if entry.latency is not None]
    if not timed:
        return ""
    figure, axis = pyplot.subplots(figsize=(9, 0.9 + 0.42 * len(timed)), layout="constrained")
    for place, entry in enumerate(reversed(timed)):
        samples = entry.latency.milliseconds if entry.latency else ()
        heights = [place + 0.24 * ((7 * i) % 11 / 5 - 1) for i in range(len(samples))]
        axis.scatter(samples, heights, s=7, alpha=0.5, linewidths=0)
        middle = entry.latency.summary.median if entry.latency else 0.0
        axis.plot([middle, middle], [place - 0.35, place + 0.35], color="black", linewidth=1.5)
    axis.set_yticks(range(len(timed)), [figure_text(entry.name) for entry in reversed(timed)], fontsize=8)
    axis.set_xlim(left=0)
    axis.set_xlabel("milliseconds")
    axis.grid(axis="x", alpha=0.3)
    return figure_svg(figure)


def trade_off_chart(report: Report) -> str:
    """Return a chart of mean PSNR over the time of a megapixel; empty where no artifact has both."""
    pyplot = load_pyplot()
    drawn = [entry for entry in report.entries if entry.latency is not None and entry.psnr]
    if not drawn:
        return ""
    figure, axis = pyplot.subplots(figsize=(9, 4), layout="constrained")
    for entry in drawn:
        quality = sum(entry.psnr.values()) / len(entry.psnr)
        speed = entry.latency.per_megapixel if entry.latency else 0.0
        axis.scatter(speed, quality)
        axis.annotate(figure_text(entry.name), (speed, quality), xytext=(5, 4), textcoords="offset points", fontsize=8)
    for entry in report.entries:
        if entry.psnr and entry.latency is None:
            quality = sum(entry.psnr.values()) / len(entry.psnr)
            axis.axhline(quality, color="grey", linestyle=":", linewidth=1)
            axis.annotate(
                figure_text(f"{entry.name} (no time here)"),
                (0.99, quality),
                xycoords=("axes fraction", "data"),
                fontsize=8,
                ha="right",
                va="bottom",
            )
    axis.set_xlabel("milliseconds per megapixel")
    axis.set_ylabel("PSNR, dB, mean over the conditions")
    axis.margins(x=0.25, y=0.2)
    low, high = axis.get_ylim()
    missing = max(0.0, _LEAST_SPAN - (high - low)) / 2
    axis.set_ylim(low - missing, high + missing)
    axis.grid(alpha=0.3)
    return figure_svg(figure)


def sensitivity_chart(entry: ReportEntry) -> str:
    """Return a chart of what each int8 layer costs when it is the only one; empty without such figures."""
    alone: Mapping[str, float] = entry.manifest.quantization.get("alone_psnr", {})
    if not alone:
        return ""
    pyplot = load_pyplot()
    layers = sorted(alone, key=lambda name: alone[name])
    figure, axis = pyplot.subplots(figsize=(9, 0.8 + 0.22 * len(layers)), layout="constrained")
    axis.barh(range(len(layers)), [alone[name] for name in layers], height=0.7)
    axis.set_yticks(range(len(layers)), [figure_text(name) for name in layers], fontsize=7)
    axis.set_xlabel("PSNR against the float network with this layer alone in codes, dB (shorter costs more)")
    axis.set_xlim(left=min(40.0, 0.95 * min(alone.values())))
    axis.grid(axis="x", alpha=0.3)
    return figure_svg(figure)
