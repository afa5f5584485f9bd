"""Errors a user can act on, each with the exit code that the commands end with."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from enum import IntEnum
from types import ModuleType


class ExitCode(IntEnum):
    """Exit status of every `ensharpen-*` command (docs/exit-codes.md has the same table)."""

    OK = 0
    USAGE = 2
    MISSING_TOOL = 3
    PARITY = 4
    QUALITY = 5
    PERFORMANCE = 6
    NOT_COMPARABLE = 7
    INTEGRITY = 8
    BAD_INPUT = 9


class EnsharpenError(Exception):
    """Base of all errors this project raises on purpose.

    Attributes:
        exit_code: Exit code of a command that ends with this error.
        hint: Advice on what to do, or None.
    """

    exit_code: ExitCode = ExitCode.USAGE

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(EnsharpenError):
    """The command or call was given something it cannot mean: an unknown name, a value out of range."""

    exit_code = ExitCode.USAGE


class MissingToolError(EnsharpenError):
    """A package or tool that this step needs is not installed."""

    exit_code = ExitCode.MISSING_TOOL


class ParityError(EnsharpenError):
    """An exported graph does not compute what the network computes, or a device not what the file says."""

    exit_code = ExitCode.PARITY


class OverBudgetError(EnsharpenError):
    """Something is larger than it may be."""

    exit_code = ExitCode.PERFORMANCE


class QualityError(EnsharpenError):
    """An exported graph computes nearly the same, but sharpens less than it must."""

    exit_code = ExitCode.QUALITY


class IntegrityError(EnsharpenError):
    """A file is not the file its manifest or card describes (hash, version, missing, corrupt)."""

    exit_code = ExitCode.INTEGRITY


class BadInputError(EnsharpenError):
    """Input data that cannot be used: an unreadable photograph, an empty folder, NaN."""

    exit_code = ExitCode.BAD_INPUT


class OutOfMemoryError(BadInputError):
    """A photograph, or a window of it, does not fit into memory."""

    def __init__(self, message: str) -> None:
        super().__init__(message, hint="use smaller tiles: --tile 256")


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """Return a `UsageError` for a name that is not in a registry, with the nearest known one and the whole list."""
    names = sorted(known)
    nearest = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.4)
    guess = f" Did you mean {nearest[0]!r}?" if nearest else ""
    return UsageError(f"unknown {kind} {name!r}.{guess}", hint=f"known: {', '.join(names)}")


def require(module: str, extra: str) -> ModuleType:
    """Import and return an optional package, or say which line installs it.

    Args:
        module: Import name, e.g. `onnxsim`.
        extra: The extra of this project that brings it, e.g. `onnx`.

    Raises:
        MissingToolError: The package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingToolError(
            f"this step needs the Python package {module!r}, which is not installed ({error})",
            hint=f'pip install "ensharpen-edge[{extra}]"',
        ) from error
