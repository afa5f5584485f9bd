"""Fetch a public photograph set: every file of it, checked and unpacked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ensharpen_edge.data.catalogue import RemoteSet
from ensharpen_edge.data.fetch import download, unpack
from ensharpen_edge.errors import UsageError
from ensharpen_edge.progress import Progress, no_progress


@dataclass(frozen=True)
class FetchedSet:
    """A set that is on this machine.

    Attributes:
        folder: Folder of the set.
        unchecked: Names of files that were fetched now and whose publisher stated no hash.
    """

    folder: Path
    unchecked: tuple[str, ...]


def fetch_set(entry: RemoteSet, out: Path, keep_archives: bool = False, progress: Progress = no_progress) -> FetchedSet:
    """Download a set; an interrupted download goes on where it stopped, and what is unpacked already is not fetched.

    Args:
        entry: The set, from the catalogue.
        out: Folder that the set's own folder is made in.
        keep_archives: Keep the archives that were unpacked.
        progress: Told how many bytes of a file have arrived.

    Raises:
        UsageError: The publisher offers no file that a program can fetch.
        BadInputError: The server or the disk failed; calling again goes on.
        IntegrityError: A file is not the published one, or cannot be unpacked.
    """
    if not entry.files:
        raise UsageError(
            f"{entry.name}: its publisher offers no file that a program can fetch", hint=f"see {entry.page}"
        )
    folder = out / entry.name
    unchecked = []
    for file in entry.files:
        target = folder / file.name
        unpacked = folder / file.name.split(".", 1)[0]
        if file.unpack and unpacked.is_dir():
            continue
        if file.checksum is None:
            unchecked.append(file.name)
        download(file.url, target, file.checksum, progress)
        if file.unpack:
            unpack(target, unpacked)
            if not keep_archives:
                target.unlink()
    return FetchedSet(folder, tuple(unchecked))
