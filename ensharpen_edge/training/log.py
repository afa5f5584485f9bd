"""The log of a run: one JSON line per record, and the same for TensorBoard with pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ensharpen_edge.console import stderr
from ensharpen_edge.errors import BadInputError, require

if TYPE_CHECKING:
    from torch import Tensor

LOG_FILE = "log.jsonl"
Report = Callable[[dict[str, Any]], None]
"""A function that is given every record of a run's log."""


def no_report(record: dict[str, Any]) -> None:
    """Tell nobody."""


class RunLog:
    """Writes records to `log.jsonl`, to TensorBoard event files, and to whoever listens.

    Args:
        folder: Folder of the run.
        report: Called with every record.
        tensorboard: Whether to write event files.

    Raises:
        MissingToolError: TensorBoard is wanted but not installed.
    """

    def __init__(self, folder: Path, report: Report, *, tensorboard: bool) -> None:
        self._path = folder / LOG_FILE
        self._report = report
        self._board: Any = None
        if tensorboard:
            require("tensorboard", "train")
            module = require("torch.utils.tensorboard", "train")
            with self._drawing():
                self._board = module.SummaryWriter(str(folder / "tensorboard"))

    def add(self, record: dict[str, Any]) -> None:
        """Write one record; numbers and tables of numbers become curves.

        Raises:
            BadInputError: The file cannot be written.
        """
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
        except OSError as error:
            raise BadInputError(f"{self._path}: cannot write the log ({error})", hint="free some space") from error
        if self._board is not None:
            with self._drawing():
                for name, value in _numbers(record):
                    self._board.add_scalar(name, value, record["step"])
        self._report(record)

    @contextmanager
    def _drawing(self) -> Iterator[None]:
        """Curves are not worth a run: when they cannot be written, as on a full disk, it goes on without them."""
        try:
            yield
        except OSError as error:
            self._board = None
            stderr().print(f"warning: TensorBoard's files cannot be written ({error}); the run goes on without them")

    @property
    def shows_pictures(self) -> bool:
        """Whether anybody would see one."""
        return self._board is not None

    def picture(self, step: int, image: Tensor) -> None:
        """Add a picture of degraded, output and sharp, float (3, H, W) in [0, 1]."""
        if self._board is not None:
            with self._drawing():
                self._board.add_image("degraded, output, sharp", image, step)

    def close(self) -> None:
        """Write out what is still in memory."""
        if self._board is not None:
            with self._drawing():
                self._board.close()


def _numbers(record: dict[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for name, value in record.items():
        if isinstance(value, dict):
            found += _numbers(value, f"{prefix}{name}/")
        elif isinstance(value, (int, float)) and name not in ("step", "of"):
            found.append((prefix + name, float(value)))
    return found
