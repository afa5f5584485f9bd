"""One training in a folder at a time: a second one would leave weights that are neither's."""

from __future__ import annotations

import importlib
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import IO

from ensharpen_edge.errors import BadInputError, UsageError

LOCK_FILE = "run.lock"


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Hold the folder of a run while the block is worked on.

    The operating system gives the lock back when its process ends, however it ends, so what a killed run leaves behind
    is taken over. The file stays; it names the process that held it last. Systems without POSIX locks have none.

    Raises:
        UsageError: Another process holds the folder; says which.
        BadInputError: The folder cannot be written to.
    """
    path = folder / LOCK_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise BadInputError(f"{path}: cannot be written ({error})") from error
    with file:
        locks = _posix_locks()
        if locks is not None:
            _take(locks, file, folder)
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": _now()}) + "\n")
        file.flush()
        yield


def _posix_locks() -> ModuleType | None:
    try:
        return importlib.import_module("fcntl")
    except ImportError:
        return None


def _take(locks: ModuleType, file: IO[str], folder: Path) -> None:
    # Not flock: processes that prepare batches would inherit it, and hold it after the training itself was killed.
    try:
        locks.lockf(file, locks.LOCK_EX | locks.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        raise UsageError(
            f"{folder}: another training is at work there ({_holder(file.read())})",
            hint="wait for its end, or choose another --out",
        ) from error
    except OSError:
        return  # a file system without locks


def _holder(text: str) -> str:
    try:
        told = json.loads(text)
        return f"process {told['pid']} on {told['host']} since {told['since']}"
    except (ValueError, KeyError, TypeError):
        return "a process that has not written its name yet"


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")
