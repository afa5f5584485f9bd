"""Errors with exit codes, as everywhere else in the project, for a device that has nothing of it but this folder."""

from __future__ import annotations

USAGE, MISSING, PARITY, INTEGRITY, BAD_INPUT = 2, 3, 4, 8, 9


class DeviceError(Exception):
    """An error with its exit code, and with a hint that says what to do about it."""

    def __init__(self, code: int, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint
