"""Everything the doctor finds out about an installation."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ensharpen_edge import __version__
from ensharpen_edge.doctor.devices import Device, check_devices
from ensharpen_edge.doctor.extras import DISTRIBUTION, PURPOSES, Extra, check_extras
from ensharpen_edge.errors import MissingToolError, unknown_name


@dataclass(frozen=True)
class DoctorReport:
    """Abilities of an installation on this machine.

    Attributes:
        version: Version of the package.
        python: Version of Python.
        system: Operating system and architecture.
        extras: The package's extras.
        devices: Devices to run artifacts on, or to train on.
    """

    version: str
    python: str
    system: str
    extras: tuple[Extra, ...]
    devices: tuple[Device, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about modules that come from a distribution of another name, or from several."""
        return tuple(dict.fromkeys(note for extra in self.extras for note in extra.notes))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON types."""
        return {
            "version": self.version,
            "python": self.python,
            "system": self.system,
            "extras": [
                {**dataclasses.asdict(extra), "ready": extra.ready, "install": extra.install} for extra in self.extras
            ],
            "devices": [dataclasses.asdict(device) for device in self.devices],
        }

    def check(self, needed: Sequence[str]) -> None:
        """Raise `MissingToolError` unless the named extras are complete."""
        missing = [extra for extra in self.extras if extra.name in needed and not extra.ready]
        if missing:
            names = ",".join(extra.name for extra in missing)
            raise MissingToolError(
                "; ".join(f"{extra.name}: {needs(extra)}" for extra in missing),
                hint=f'pip install "{DISTRIBUTION}[{names}]"',
            )


def needs(extra: Extra) -> str:
    """Return what an extra lacks."""
    return "needs " + ", ".join(map(str, extra.shortfalls))


def check_names(extras: Sequence[str]) -> None:
    """Raise `UsageError` for an extra that does not exist."""
    known = [name for name in PURPOSES if name]
    for name in extras:
        if name not in known:
            raise unknown_name("extra", name, known)


def examine() -> DoctorReport:
    """Look at this installation and this machine; nothing is installed, and nothing heavy is imported.

    Raises:
        MissingToolError: The package is not installed.
    """
    return DoctorReport(
        __version__,
        platform.python_version(),
        platform.platform(),
        tuple(check_extras()),
        tuple(check_devices()),
    )
