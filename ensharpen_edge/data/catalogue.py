"""Public photograph sets as data: where they are, what they hash to, what one may do with them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from ensharpen_edge.data.fetch import Checksum
from ensharpen_edge.errors import UsageError, unknown_name


@dataclass(frozen=True)
class RemoteFile:
    """A file of a set.

    Attributes:
        url: http or https.
        name: File name here.
        size: Bytes, 0 when not known.
        checksum: Published hash, or None where nobody published one.
        unpack: Whether it is an archive.
    """

    url: str
    name: str
    size: int
    checksum: Checksum | None
    unpack: bool


@dataclass(frozen=True)
class RemoteSet:
    """A public photograph set.

    Attributes:
        name: Name on the command line.
        what: Description in one line.
        licence: Terms of use.
        page: Where the publisher describes it.
        files: Its downloads.
    """

    name: str
    what: str
    licence: str
    page: str
    files: tuple[RemoteFile, ...]


def load_catalogue(path: Path | None = None) -> dict[str, RemoteSet]:
    """Return the sets of a catalogue file, by name; by default of the one that ships.

    Raises:
        UsageError: Not a readable catalogue.
    """
    file = path or Path(str(resources.files("ensharpen_edge.data"))) / "catalogue.json"
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
        return {name: _set(name, entry) for name, entry in table.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{file}: not a readable catalogue ({type(error).__name__}: {error})") from error


def _set(name: str, entry: dict[str, Any]) -> RemoteSet:
    if "/" in name or name.startswith("."):
        raise ValueError(f"{name!r} is no folder name")
    return RemoteSet(name, entry["what"], entry["licence"], entry["page"], tuple(_file(f) for f in entry["files"]))


def _file(entry: dict[str, Any]) -> RemoteFile:
    url = str(entry["url"])
    checksum = next((Checksum(kind, entry[kind]) for kind in ("sha256", "md5") if kind in entry), None)
    name = str(entry.get("name") or url.rsplit("/", 1)[-1])
    if "/" in name or name.startswith("."):
        raise ValueError(f"{name!r} is no file name")
    archive = name.endswith((".zip", ".tar", ".tar.gz", ".tgz"))
    return RemoteFile(url, name, int(entry.get("size", 0)), checksum, bool(entry.get("unpack", archive)))


def find_set(name: str, catalogue: dict[str, RemoteSet]) -> RemoteSet:
    """Return the set called `name`.

    Raises:
        UsageError: No such set; names the nearest.
    """
    if name not in catalogue:
        raise unknown_name("photograph set", name, catalogue)
    return catalogue[name]
