"""Which Python modules can be imported here, and which distributions brought them.

One module may come from distributions of several names (`onnxruntime` from the wheel of that name, or from
`onnxruntime-gpu`), so whether a step can run is asked of the module, never of a distribution's name. Nothing is
imported to find out.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.machinery import ModuleSpec


@dataclass(frozen=True)
class Provider:
    """An installed distribution that brings a module.

    Attributes:
        name: Name of the distribution, as its metadata spells it.
        version: Its version.
    """

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class InstalledModule:
    """A top-level module as this Python would find it.

    Attributes:
        name: Import name, e.g. `onnxruntime`.
        importable: Whether an import would find its code.
        providers: The distributions that say they bring it, sorted by name; none for a module that no package
            manager knows of, or where only a folder of that name is left.
    """

    name: str
    importable: bool
    providers: tuple[Provider, ...]

    @property
    def conflict(self) -> str | None:
        """A sentence about several distributions that each bring the module and overwrite each other, or None."""
        if len(self.providers) < 2:
            return None
        names = " and ".join(map(str, self.providers))
        return f"{names} both bring the module {self.name}: the one installed last is used; uninstall all but one"

    def __str__(self) -> str:
        return ", ".join(map(str, self.providers)) or self.name


def find_modules(names: Sequence[str]) -> dict[str, InstalledModule]:
    """Return what is installed of each of these top-level modules, by its import name."""
    providers = _providers()
    return {
        name: InstalledModule(name, _importable(name, name in providers), providers.get(name, ())) for name in names
    }


def find_distribution(name: str) -> Provider | None:
    """Return the installed distribution of this name, or None; `_` and `-` and capitals make no difference."""
    try:
        return Provider(name, metadata.version(name))
    except metadata.PackageNotFoundError:
        return None


def canonical_name(name: str) -> str:
    """Return a distribution's name in the spelling of the packaging specifications (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _importable(name: str, provided: bool) -> bool:
    """Whether a finder knows code for it; unlike `find_spec`, what is loaded already makes no difference.

    A namespace package has no file of its own: without a distribution it is a folder that an uninstall left behind.
    """
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec: ModuleSpec | None = find(name, None) if find else None
        if spec is not None:
            return spec.origin is not None or provided
    return False


def _providers() -> Mapping[str, tuple[Provider, ...]]:
    found = {}
    for module, names in metadata.packages_distributions().items():
        unique = {canonical_name(name): name for name in names if name}
        found[module] = tuple(p for name in sorted(unique.values()) if (p := find_distribution(name)) is not None)
    return found
