"""Finds the stage folders when Python is started inside a source checkout.

An installed package holds `export`, `runtime`, ... beside this file. In a checkout they lie one folder higher, and
Python started there meets this folder before the installed package.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

STAGES = ("benchmarks", "calibration", "export", "runtime")

_PACKAGE = __name__.partition(".")[0]


class _StageFinder(MetaPathFinder):
    """Maps the four stage folders, and nothing else of the checkout, into the package."""

    def __init__(self, checkout: Path) -> None:
        self._checkout = checkout

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, stage = fullname.partition(".")
        if package != _PACKAGE or stage not in STAGES:
            return None
        folder = self._checkout / stage
        return spec_from_file_location(fullname, folder / "__init__.py", submodule_search_locations=[str(folder)])


def find_stages() -> None:
    """Make the stages importable from a checkout; do nothing in an installed package."""
    here = Path(__file__)
    checkout = here.resolve().parents[1]
    if not (here.parent / STAGES[0]).exists() and all((checkout / stage).is_dir() for stage in STAGES):
        sys.meta_path.append(_StageFinder(checkout))
