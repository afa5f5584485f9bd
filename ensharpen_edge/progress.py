"""Progress: how long work tells whoever waits for it what it is doing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Progress(Protocol):
    """A function that is called with what is being done, and how much of it is done.

    Commands hand one in that draws a bar; a caller of the Python API hands in any function of this form, or none.
    """

    def __call__(self, doing: str, done: int = 0, total: int = 0) -> None:
        """Take notice.

        Args:
            doing: The work at hand, such as "decoding" or "trying 40 of 57 layers in int8".
            done: Parts of it that are done.
            total: Parts that there are, or 0 when they are not counted.
        """


def no_progress(doing: str, done: int = 0, total: int = 0) -> None:
    """Tell nobody: the default of every function that takes a `Progress`."""


def of_part(progress: Progress, part: str) -> Progress:
    """Return a progress that hands on what it is told, led by the part of the work that it is about, and a comma."""
    return lambda doing, done=0, total=0: progress(f"{part}, {doing}", done, total)


def as_text(tell: Callable[[str], None]) -> Progress:
    """Return a progress that hands `tell` one line of text at a time, such as "decoding 3/16"."""

    def progress(doing: str, done: int = 0, total: int = 0) -> None:
        tell(f"{doing} {done}/{total}" if total else doing)

    return progress
