"""Exports: from a trained network to an artifact for a target, through the parity ladder and the release gate.

The package can be called: `ensharpen_edge.export(...)` is `ensharpen_edge.api.export`, which has the package's name.
"""

from __future__ import annotations

import inspect
import sys
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    """A package that is a function as well."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 (those of `api.export`)
        """Call `ensharpen_edge.api.export`."""
        from ensharpen_edge.api import export

        return export(*arguments, **options)

    @property
    def __signature__(self) -> inspect.Signature:
        from ensharpen_edge.api import export

        return inspect.signature(export)


sys.modules[__name__].__class__ = _CallablePackage
