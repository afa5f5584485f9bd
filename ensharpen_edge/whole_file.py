"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ensharpen_edge.errors import BadInputError


def current_umask() -> int:
    """The process's file mode mask; Python can only read it by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that replaces it when the block ends without an error, and vanishes otherwise.

    The temporary file is private; the finished one is as readable as the user's mask lets it be.

    Raises:
        OSError: The folder cannot be written to.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.stem[:64]}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~current_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def check_destinations(*paths: Path | None) -> None:
    """Before long work whose results go to these files: can they be written? Their folders are made.

    Raises:
        BadInputError: One is a folder, or nothing can be written beside it.
    """
    for path in paths:
        if path is not None:
            _check_destination(path)


def _check_destination(path: Path) -> None:
    if path.is_dir():
        raise BadInputError(f"{path}: is a folder", hint="name a file in it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".writable-", dir=path.parent)
        os.close(handle)
        Path(name).unlink()
    except OSError as error:
        raise BadInputError(f"{path}: cannot be written ({error})") from error


def write_file(path: Path, content: bytes) -> None:
    """Write a whole file, its folders included.

    Raises:
        BadInputError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise BadInputError(f"{path}: cannot be written ({error})") from error
