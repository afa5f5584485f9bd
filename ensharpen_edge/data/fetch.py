"""Downloads that can be interrupted, are checked, and appear whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import http.client
import shutil
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from ensharpen_edge.errors import BadInputError, IntegrityError, UsageError
from ensharpen_edge.progress import Progress, no_progress

_CHUNK = 1 << 20
_TIMEOUT = 60.0


@dataclass(frozen=True)
class Checksum:
    """A hash that its publisher stated.

    Attributes:
        kind: Name in hashlib.
        value: Hexadecimal.
    """

    kind: str
    value: str

    def __post_init__(self) -> None:
        if self.kind not in ("sha256", "md5"):
            raise UsageError(f"checksums are sha256 or md5, got {self.kind!r}")


def file_checksum(path: Path, kind: str) -> str:
    """Return the hash of a file, hexadecimal."""
    digest = hashlib.new(kind, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def download(url: str, path: Path, checksum: Checksum | None, progress: Progress = no_progress) -> Path:
    """Fetch one file; an interrupted download goes on where it stopped.

    The part that has arrived is kept as `NAME.part`, and renamed when its hash is right. A server that cannot send
    the rest sends the whole file again.

    Args:
        url: http, https or file.
        path: Where the file goes; one that is there and right is kept.
        checksum: Hash that the file must have; None skips the check.
        progress: Told how many bytes have arrived.

    Raises:
        BadInputError: The server or the disk failed; calling again goes on.
        IntegrityError: The file is not the published one; the download is deleted.
    """
    if path.exists() and (checksum is None or file_checksum(path, checksum.kind) == checksum.value):
        return path
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _receive(url, part, progress)
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        got = part.stat().st_size if part.exists() else 0
        raise BadInputError(
            f"{url}: the download stopped after {got:,} bytes ({error})", hint="the same command goes on from there"
        ) from error
    if checksum is not None and (found := file_checksum(part, checksum.kind)) != checksum.value:
        part.unlink()
        raise IntegrityError(
            f"{url}: {checksum.kind} is {found}, published is {checksum.value}",
            hint="the file was altered or replaced at its source; the download was deleted",
        )
    part.replace(path)
    return path


def _receive(url: str, part: Path, progress: Progress) -> None:
    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing is left to send: the part is the whole file
            return
        raise
    with answer:
        resumed = answer.status == 206
        start = have if resumed else 0
        length = int(answer.headers.get("Content-Length") or 0)
        total = start + length if length else 0
        received = start
        with part.open("ab" if resumed else "wb") as file:
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                received += len(chunk)
                progress(part.stem, received, total)
        if total and received < total:
            raise http.client.IncompleteRead(b"", total - received)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a .zip, .tar, .tar.gz or .tgz; the folder appears when everything is in it.

    Raises:
        IntegrityError: Damaged, or with paths that lead out of the folder.
        UsageError: Another kind of file.
    """
    temporary = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped:
                zipped.extractall(temporary)  # names are sanitised by zipfile
        elif tarfile.is_tarfile(archive):
            with tarfile.open(archive) as tarred:
                tarred.extractall(temporary, filter="data")
        else:
            raise UsageError(f"{archive}: neither a zip nor a tar archive")
        temporary.replace(folder)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise BadInputError(f"{folder}: no space left to unpack {archive.name}", hint="free some") from error
        raise IntegrityError(f"{archive}: cannot be unpacked ({error})", hint="delete it and fetch again") from error
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error) as error:
        raise IntegrityError(f"{archive}: cannot be unpacked ({error})", hint="delete it and fetch again") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
