"""The delegates' lists: `delegates.json`, with the texts they come from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

from ensharpen_edge.errors import unknown_name


@dataclass(frozen=True)
class Support:
    """Conditions under which a delegate takes one operator.

    Attributes:
        kinds: Kinds of numbers (see `tflite.operators.Operator`).
        version: The highest that it takes, None for any.
        api: Lowest Android API level, for NNAPI.
        int8_api: The same for 8-bit numbers, where it is another.
    """

    kinds: tuple[str, ...]
    version: int | None = None
    api: int | None = None
    int8_api: int | None = None


@dataclass(frozen=True)
class Delegate:
    """One delegate.

    Attributes:
        name, title: Short and long.
        note: Remark on what a list cannot hold.
        sources: Texts that the list was read from.
        max_rank: Largest rank of tensors.
        static: Whether it takes fixed sizes only.
        whole: Whether everything behind the first operator that is not taken falls back as well.
        operators: Operators that it takes.
    """

    name: str
    title: str
    note: str
    sources: tuple[str, ...]
    max_rank: int
    static: bool
    whole: bool
    operators: dict[str, Support]


@cache
def delegates() -> dict[str, Delegate]:
    """Return all delegates by name."""
    text = (
        resources.files("ensharpen_edge.export.targets.tflite.delegates")
        .joinpath("delegates.json")
        .read_text(encoding="utf-8")
    )
    found = {}
    for name, entry in json.loads(text).items():
        listed = entry.pop("operators")
        operators = {key: Support(**{**value, "kinds": tuple(value["kinds"])}) for key, value in listed.items()}
        found[name] = Delegate(name, operators=operators, **{**entry, "sources": tuple(entry["sources"])})
    return found


def find_delegate(name: str) -> Delegate:
    """Return the delegate called `name`.

    Raises:
        UsageError: None is; names the nearest.
    """
    if name not in delegates():
        raise unknown_name("delegate", name, delegates())
    return delegates()[name]
