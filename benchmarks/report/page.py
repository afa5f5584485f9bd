"""The HTML page: everything in one file, nothing from a network."""

from __future__ import annotations

import dataclasses
import html
import json
from importlib import resources
from string import Template

from ensharpen_edge.artifact_manifest import Manifest
from ensharpen_edge.benchmarks.quality.busiest_crop import busiest_crop
from ensharpen_edge.benchmarks.report.charts import latency_chart, sensitivity_chart, trade_off_chart
from ensharpen_edge.benchmarks.report.collect import SHOWN, Report, ReportEntry, ShownPhoto
from ensharpen_edge.benchmarks.report.pictures import data_address, heat_map
from ensharpen_edge.benchmarks.speed.latency import EQUAL
from ensharpen_edge.visible_text import one_line


def render_report(report: Report) -> str:
    """Return the whole page."""
    template = Template(resources.files("ensharpen_edge.benchmarks.report").joinpath("page.html").read_text("utf-8"))
    machine = report.machine
    lead = (
        f"{len(report.entries)} artifacts on {report.count} photographs; {machine.cpu}, {machine.cores} cores, "
        f"{'all' if not report.threads else report.threads} thread{'' if report.threads == 1 else 's'}"
    )
    return template.substitute(
        lead=_text(lead),
        summary=_summary(report),
        photos="".join(_photo(number, photo) for number, photo in enumerate(report.photos)),
        shown=_text(SHOWN),
        crops="".join(_crops(photo) for photo in report.photos),
        latency=latency_chart(report.entries) or "<p>Nothing could be timed here.</p>",
        splits=_splits(report),
        tradeoff=trade_off_chart(report),
        operators=_operators(report),
        quantization=_quantization(report),
        provenance=_provenance(report),
    )


def _text(text: str) -> str:
    """Return text for the page, in elements and attributes alike."""
    return html.escape(one_line(text), quote=True)


def _json(data: object) -> str:
    """Return JSON for a script element, which ends at the first `</script>`, even inside a string."""
    return json.dumps(data).replace("<", "\\u003c")


def _option(name: str, selected: bool) -> str:
    """Return a choice; its value is stated, since browsers squeeze the spaces of an option's text."""
    return f'<option value="{_text(name)}"{" selected" if selected else ""}>{_text(name)}</option>'


def _table(headings: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th>{_text(heading)}</th>" for heading in headings)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _summary(report: Report) -> str:
    conditions = list(report.degraded)
    headings = [
        "artifact",
        "KiB",
        *conditions,
        f"worst vs {report.reference}",
        "size",
        "ms [95 %]",
        "ms/MP",
        "vs first",
        "MiB",
    ]
    rows = [["degraded input", "", *(f"{report.degraded[c]:.2f}" for c in conditions), *[""] * 6]]
    for entry in report.entries:
        latency = entry.latency
        cells = [_text(entry.name), f"{entry.kib:.0f}"]
        cells += [f"{entry.psnr[c]:.2f}" if c in entry.psnr else "&ndash;" for c in conditions]
        cells.append("" if entry.agreement is None else _decibels(entry.agreement))
        if latency is None:
            cells += ["&ndash;"] * 5
        else:
            summary = latency.summary
            cells += [
                f"{latency.size[0]}x{latency.size[1]}",
                f"{summary.median:.1f} [{summary.low:.1f}, {summary.high:.1f}]",
                f"{latency.per_megapixel:.0f}",
                f"{latency.ratio:.2f}",
                "" if latency.peak_mib is None else f"{latency.peak_mib:.0f}",
            ]
        rows.append(cells)
    notes = "".join(f"<li>{_text(e.name)}: {_text(e.note)}</li>" for e in report.entries if e.note)
    return _table(headings, rows) + (f'<ul class="notes">{notes}</ul>' if notes else "")


def _photo(number: int, photo: ShownPhoto) -> str:
    versions = {"degraded": photo.degraded, **photo.outputs, "ground truth": photo.sharp}
    names = list(versions)
    right = names[1] if len(names) > 2 else names[-1]
    sources = _json({one_line(name): data_address(pixels) for name, pixels in versions.items()})
    height, width = photo.sharp.shape[:2]
    options = {
        side: "".join(_option(name, name == chosen) for name in names)
        for side, chosen in (("left", "degraded"), ("right", right))
    }
    name = _text(photo.name)
    return (
        f'<figure class="slider"><script type="application/json">{sources}</script>'
        f'<div class="stage" style="--cut:50%;aspect-ratio:{width}/{height}">'
        f'<img class="bottom" alt="{name}, right"><img class="top" alt="{name}, left"><i></i></div>'
        f'<input type="range" min="0" max="100" value="50" aria-label="divider of {name}">'
        f'<figcaption><select class="left" aria-label="left of {name}" id="left{number}">{options["left"]}</select>'
        f"<b>{name}</b>"
        f'<select class="right" aria-label="right of {name}" id="right{number}">{options["right"]}</select>'
        f"</figcaption></figure>"
    )


def _crops(photo: ShownPhoto) -> str:
    rows, columns = busiest_crop(photo.sharp)
    truth = photo.sharp[rows, columns]
    cells = []
    for name, pixels in {"degraded": photo.degraded, **photo.outputs}.items():
        crop = pixels[rows, columns]
        cells.append(
            f'<figure class="crop"><img src="{data_address(crop)}" alt="{_text(name)}">'
            f'<img src="{data_address(heat_map(crop, truth))}" alt="error of {_text(name)}">'
            f"<figcaption>{_text(name)}</figcaption></figure>"
        )
    cells.append(
        f'<figure class="crop"><img src="{data_address(truth)}" alt="ground truth">'
        f"<figcaption>ground truth</figcaption></figure>"
    )
    return f"<h3>{_text(photo.name)}</h3><div class='crops'>{''.join(cells)}</div>"


def _splits(report: Report) -> str:
    rows = [
        [_text(entry.name), *(f"{step:.1f}" for step in dataclasses.astuple(entry.latency.split))]
        for entry in report.entries
        if entry.latency is not None and entry.latency.split is not None
    ]
    return _table(["ms of a photograph", "decode", "pre", "engine", "post", "encode"], rows) if rows else ""


def _operators(report: Report) -> str:
    parts = []
    for entry in report.entries:
        if not entry.operators:
            continue
        total = sum(entry.operators.values())
        rows = [
            [_text(name), f"{ms:.2f}", f'<span class="bar" style="--share:{ms / total:.3f}"></span>']
            for name, ms in entry.operators.items()
        ]
        table = _table(["operator", "ms", "share"], rows)
        parts.append(f"<details><summary>{_text(entry.name)}</summary>{table}</details>")
    return "".join(parts) or "<p>No artifact here is timed operator by operator.</p>"


def _quantization(report: Report) -> str:
    parts = []
    for entry in report.entries:
        details = entry.manifest.quantization
        if not details:
            continue
        layers = details["int8_layers"]
        facts = (
            f"{layers} of {layers + len(details['float_layers'])} layers in codes, {_origin_of_codes(entry.manifest)}"
        )
        parts.append(f"<h3>{_text(entry.name)}</h3><p>{_text(facts)}</p>{sensitivity_chart(entry)}")
    return "".join(parts) or "<p>No artifact here is quantized by a calibration.</p>"


def _origin_of_codes(manifest: Manifest) -> str:
    details = manifest.quantization
    if "trained" in details:
        trained = details["trained"]
        return f"trained in 8 bits ({trained['placement']}); checkpoint {trained['checkpoint_sha256'][:12]}"
    key = (manifest.calibration_key or "")[:12]
    return f"ranges {details['method']}, rounding {details['rounding']}; calibration {key}"


def _provenance(report: Report) -> str:
    rows = [_origin(entry) for entry in report.entries]
    machine = {**dataclasses.asdict(report.machine), "state": dataclasses.asdict(report.state)}
    table = _table(["artifact", "target", "precision", "checkpoint", "model file", "made", "with"], rows)
    details = html.escape(json.dumps(machine, indent=1))
    return f'<div class="origins">{table}</div><details><summary>the machine</summary><pre>{details}</pre></details>'


def _origin(entry: ReportEntry) -> list[str]:
    manifest = entry.manifest
    tools = ", ".join(f"{name} {version}" for name, version in manifest.tools.items())
    cells = [
        entry.name,
        manifest.target,
        manifest.precision,
        str(manifest.source["checkpoint_sha256"])[:12],
        manifest.files[manifest.model_file][:12],
        str(manifest.build.get("created", "")),
        tools,
    ]
    return [_text(cell) for cell in cells]


def _decibels(value: float) -> str:
    return "same" if value >= EQUAL else f"{value:.1f} dB"
