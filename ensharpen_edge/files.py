"""Files that appear whole or not at all, their hashes, and short names for them."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ensharpen_edge.errors import BadInputError


def current_umask() -> int:
    """Return the process's file mode mask; Python can only read it by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary file beside `path`, which replaces it when the block ends without an error, or else vanishes.

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
    """Check before long work that its results can be written to these files, and make their folders.

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


def cache_folder(name: str) -> Path:
    """Return `$XDG_CACHE_HOME/ensharpen-edge/NAME`, by default below `~/.cache`; it need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ensharpen-edge" / name


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's bytes, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """Return the last parts of paths, or whole paths where two have the same last part."""
    names = [path.name for path in paths]
    return [path.name if names.count(path.name) == 1 else str(path) for path in paths]
