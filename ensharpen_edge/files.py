"""Files and folders that appear whole or not at all, their hashes, and short names for them."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ensharpen_edge.errors import BadInputError, IntegrityError, UsageError


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


@contextmanager
def whole_folder(path: Path, kind: str, own_files: Callable[[Path], Collection[str]]) -> Iterator[Path]:
    """Yield a temporary folder that becomes `path` when the block ends without an error, and vanishes otherwise.

    Args:
        path: The folder to make. One of the same kind is replaced, where nothing of anybody else's is in it.
        kind: What such a folder is called in messages, with its article.
        own_files: Returns the files that such a folder holds, by their paths in it; raises OSError, UnicodeDecodeError
            or IntegrityError where it is something else.

    Raises:
        UsageError: `path` exists and is not ours to replace.
        BadInputError: The folder above cannot be written to.
    """
    _check_replaceable(path, kind, own_files)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    except OSError as error:
        raise BadInputError(f"{path.parent}: cannot be written to ({error})") from error
    try:
        yield temporary
        temporary.chmod(0o777 & ~current_umask())
        _swap(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check_replaceable(path: Path, kind: str, own_files: Callable[[Path], Collection[str]]) -> None:
    if not path.exists() and not path.is_symlink():
        return
    try:
        own = set(own_files(path))
    except (OSError, UnicodeDecodeError, IntegrityError) as error:
        raise UsageError(f"{path}: exists and is not {kind}", hint="choose another --out, or remove it") from error
    foreign = {p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()} - own
    if foreign or path.is_symlink():
        what = min(foreign) if foreign else "a link"
        article, _, noun = kind.partition(" ")
        raise UsageError(f"{path}: holds what is not the {noun or article}'s ({what})", hint="choose another --out")


def _swap(temporary: Path, path: Path) -> None:
    """Put `temporary` in the place of `path`; on failure what was there is there again."""
    if not path.exists():
        temporary.rename(path)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name}-old-", dir=path.parent))
    path.rename(aside / path.name)
    try:
        temporary.rename(path)
    except OSError:
        (aside / path.name).rename(path)
        aside.rmdir()
        raise
    shutil.rmtree(aside, ignore_errors=True)


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


def file_hashes(folder: Path, but: str) -> dict[str, str]:
    """Return the sha256 of every file below `folder`, by its path in the folder, but of files called `but`."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != but)
    return {p.relative_to(folder).as_posix(): sha256_of(p) for p in files}


def check_hashes(folder: Path, files: Mapping[str, str], kind: str) -> None:
    """Compare files with the sha256 that a manifest states.

    Args:
        folder: The folder that the manifest is in.
        files: sha256 by path in the folder.
        kind: What the folder is called in messages.

    Raises:
        IntegrityError: One is missing, altered, or outside the folder; names it.
    """
    root = folder.resolve()
    for name, expected in files.items():
        file = (folder / name).resolve()
        if not file.is_relative_to(root):
            raise IntegrityError(f"{folder}: the manifest lists {name!r}, which is outside the {kind}")
        if not file.is_file():
            raise IntegrityError(f"{folder}: {name} is missing", hint=f"copy or make the {kind} again")
        if sha256_of(file) != expected:
            raise IntegrityError(f"{folder}: {name} differs from its sha256", hint=f"copy or make the {kind} again")


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """Return the last parts of paths, or whole paths where two have the same last part."""
    names = [path.name for path in paths]
    return [path.name if names.count(path.name) == 1 else str(path) for path in paths]
