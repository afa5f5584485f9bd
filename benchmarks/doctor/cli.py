"""`ensharpen-doctor`: what works here, and which line brings the rest."""

from __future__ import annotations

import dataclasses
import platform
from typing import Annotated

import typer
from rich.table import Table

from ensharpen_edge import __version__
from ensharpen_edge.benchmarks.commands.options import Json
from ensharpen_edge.benchmarks.doctor.devices import Device, check_devices
from ensharpen_edge.benchmarks.doctor.extras import PURPOSES, Extra, check_extras
from ensharpen_edge.console import print_json, run_command, stdout
from ensharpen_edge.errors import MissingToolError, unknown_name

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command()
def doctor(
    need: Annotated[
        list[str] | None, typer.Option(help="End with exit code 3 unless this extra is complete. Repeatable.")
    ] = None,
    json_output: Json = False,
) -> None:
    """Say which steps this installation can do, what is missing, and what this machine can compute on.

    Nothing is installed, and nothing heavy is imported.

    [bold]Examples[/]

      ensharpen-doctor

      ensharpen-doctor --need onnx --need tflite
    """
    named = [name for name in PURPOSES if name]
    for name in need or ():
        if name not in named:
            raise unknown_name("extra", name, named)
    extras, devices = check_extras(), check_devices()
    if json_output:
        print_json(_as_json(extras, devices))
    else:
        stdout().print(f"ensharpen-edge {__version__}, Python {platform.python_version()}, {platform.platform()}")
        stdout().print(_extras_table(extras))
        stdout().print(_devices_table(devices))
    missing = [extra for extra in extras if extra.name in (need or ()) and not extra.ready]
    if missing:
        names = ",".join(extra.name for extra in missing)
        raise MissingToolError(
            "; ".join(f"{extra.name}: {_list(extra)}" for extra in missing),
            hint=f'pip install "ensharpen-edge[{names}]"',
        )


def _list(extra: Extra) -> str:
    return "needs " + ", ".join(str(shortfall) for shortfall in extra.shortfalls)


def _extras_table(extras: list[Extra]) -> Table:
    table = Table(title="Packages")
    for heading in ("extra", "for", "state"):
        table.add_column(heading)
    for extra in extras:
        state = "complete" if extra.ready else f"{_list(extra)}: {extra.install}"
        table.add_row(extra.name or "none", extra.purpose, state)
    return table


def _devices_table(devices: list[Device]) -> Table:
    table = Table(title="Devices")
    for heading in ("device", "usable", "with what, or why not"):
        table.add_column(heading)
    for device in devices:
        table.add_row(device.name, "yes" if device.ready else "no", device.state)
    return table


def _as_json(extras: list[Extra], devices: list[Device]) -> dict[str, object]:
    return {
        "version": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "extras": [{**dataclasses.asdict(extra), "ready": extra.ready, "install": extra.install} for extra in extras],
        "devices": [dataclasses.asdict(device) for device in devices],
    }


def main() -> None:
    """Entry point of `ensharpen-doctor`."""
    run_command(app)
