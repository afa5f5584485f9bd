"""Options that only one target has: what a target declares, and the request and the command read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

Size = tuple[int, int]
"""(height, width) in pixels."""

_DECLARED = "command option"


@dataclass(frozen=True)
class CommandOption:
    """An option of `ensharpen-export` that fills a field of a target's options.

    Attributes:
        field: Name of the field.
        flag: Option as it is typed, e.g. `--deployment`.
        help: Text for `--help`.
        switch: Whether it is given without a value.
    """

    field: str
    flag: str
    help: str
    switch: bool


@dataclass(frozen=True)
class TargetOptions:
    """Options of one target; the base of all, and enough for a target without any.

    A field called `more_sizes` is filled with the further sizes of `--size`.

    Attributes:
        files: Files that the options are for, in the plural, for messages.
    """

    files: ClassVar[str] = "other files"

    def sizes(self, size: Size | None) -> tuple[Size, ...]:
        """Return every size that the file takes, `size` first; empty for free sizes."""
        return () if size is None else (size,)

    def probed_sizes(self, size: Size | None) -> tuple[Size, ...]:
        """Return the sizes at which the parity ladder is climbed; empty for those of every free file."""
        return self.sizes(size)


def text_option(flag: str, text: str) -> Any:  # noqa: ANN401 (a dataclass field, as `dataclasses.field` returns it)
    """Declare a field `str | None` that an option with a value fills; None when it is not given."""
    return field(default=None, metadata={_DECLARED: (flag, text, False)})


def switch_option(flag: str, text: str) -> Any:  # noqa: ANN401
    """Declare a field `bool` that an option without a value sets."""
    return field(default=False, metadata={_DECLARED: (flag, text, True)})


def command_options(options: type[TargetOptions]) -> tuple[CommandOption, ...]:
    """Return the command's options that fill the fields of a target's options."""
    declared = ((entry.name, entry.metadata.get(_DECLARED)) for entry in fields(options))
    return tuple(CommandOption(name, *found) for name, found in declared if found)


def given_options(values: Mapping[str, Any], more_sizes: Sequence[Size]) -> dict[str, Any]:
    """Return the fields that a command line filled: values that are neither None nor False, and further sizes."""
    given = {name: value for name, value in values.items() if value is not None and value is not False}
    return given | ({"more_sizes": tuple(more_sizes)} if more_sizes else {})
