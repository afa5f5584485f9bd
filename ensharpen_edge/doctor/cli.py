"""`ensharpen-doctor`: what works here, and which line brings the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table

from ensharpen_edge.console import Json, Version, command_line, print_json, run_command, stdout, table
from ensharpen_edge.doctor.devices import Device
from ensharpen_edge.doctor.extras import Extra
from ensharpen_edge.doctor.report import check_names, examine, needs

app = command_line()


@app.command()
def doctor(
    need: Annotated[
        list[str] | None, typer.Option(help="End with exit code 3 unless this extra is complete. Repeatable.")
    ] = None,
    json_output: Json = False,
    version: Version = False,
) -> None:
    """Say which steps this installation can do, what is missing, and what this machine can compute on.

    Nothing is installed, and nothing heavy is imported.

    [bold]Examples[/]

      ensharpen-doctor

      ensharpen-doctor --need onnx --need tflite
    """
    check_names(need or ())
    report = examine()
    if json_output:
        print_json(report.to_dict())
    else:
        stdout().print(f"ensharpen-edge {report.version}, Python {report.python}, {report.system}")
        stdout().print(_extras_table(report.extras))
        stdout().print(_devices_table(report.devices))
        for note in report.notes:
            stdout().print(f"note: {note}")
    report.check(need or ())


def _extras_table(extras: Sequence[Extra]) -> Table:
    headings = ("extra", "for", "state")
    rows = table("Packages", headings, left=headings)
    for extra in extras:
        state = "complete" if extra.ready else f"{needs(extra)}: {extra.install}"
        rows.add_row(extra.name or "none", extra.purpose, state)
    return rows


def _devices_table(devices: Sequence[Device]) -> Table:
    headings = ("device", "usable", "with what, or why not")
    rows = table("Devices", headings, left=headings)
    for device in devices:
        rows.add_row(device.name, "yes" if device.ready else "no", device.state)
    return rows


def main() -> None:
    """Entry point of `ensharpen-doctor`."""
    run_command(app)
