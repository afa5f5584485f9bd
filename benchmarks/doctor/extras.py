"""The package's extras: what each is for, and what of it is missing, by the requirements that the package states."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import Requirement

from ensharpen_edge.errors import MissingToolError

DISTRIBUTION = "ensharpen-edge"
PURPOSES: dict[str, str] = {
    "": "run ONNX artifacts; time, compare",
    "onnx": "export: ONNX, and the first half of every other target; calibrate",
    "tflite": "run TFLite; with onnx: export it",
    "coreml": "with onnx: export Core ML; on macOS: run it",
    "trt-check": "check graphs for TensorRT without a GPU",
    "train": "train, distil, label; calibrate with photographs of your own",
    "bench": "measure quality, draw reports",
}
"""By extra; the empty name stands for the package without any."""

Versions = Callable[[str], str]
"""Version of an installed distribution; raises `importlib.metadata.PackageNotFoundError`."""


@dataclass(frozen=True)
class Shortfall:
    """A requirement that is not met.

    Attributes:
        wanted: As the package states it, e.g. `onnx>=1.16`.
        found: The version that is installed, or None.
    """

    wanted: str
    found: str | None

    def __str__(self) -> str:
        return self.wanted if self.found is None else f"{self.wanted} (there is {self.found})"


@dataclass(frozen=True)
class Extra:
    """One extra on this machine.

    Attributes:
        name: As in `pip install "ensharpen-edge[name]"`; empty for the package alone.
        purpose: What it is for.
        shortfalls: What of it is missing or too old.
    """

    name: str
    purpose: str
    shortfalls: tuple[Shortfall, ...]

    @property
    def ready(self) -> bool:
        """Whether everything is there."""
        return not self.shortfalls

    @property
    def install(self) -> str:
        """The line that brings what is missing."""
        return f'pip install "{DISTRIBUTION}[{self.name}]"' if self.name else f"pip install {DISTRIBUTION}"


def check_extras(requirements: Iterable[str] | None = None, version_of: Versions = metadata.version) -> list[Extra]:
    """Every extra of `PURPOSES`, in that order.

    Nothing is imported: a package counts as present when it is installed in a version that fits.

    Args:
        requirements: As `importlib.metadata.requires` gives them; those of the installed package by default.
        version_of: Where versions come from.

    Raises:
        MissingToolError: The package runs from a folder and is not installed, so that nobody knows its requirements.
    """
    if requirements is None:
        requirements = _stated()
    parsed = [Requirement(line) for line in requirements]
    return [Extra(name, purpose, tuple(_shortfalls(parsed, name, version_of))) for name, purpose in PURPOSES.items()]


def _stated() -> list[str]:
    try:
        return metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError as error:
        raise MissingToolError(
            f"{DISTRIBUTION} is not installed, so its requirements are not known", hint="pip install ."
        ) from error


def _shortfalls(requirements: list[Requirement], extra: str, version_of: Versions) -> Iterable[Shortfall]:
    for requirement in requirements:
        if requirement.name == DISTRIBUTION or not _belongs(requirement, extra):
            continue
        wanted = f"{requirement.name}{requirement.specifier}"
        try:
            found = version_of(requirement.name)
        except metadata.PackageNotFoundError:
            yield Shortfall(wanted, None)
        else:
            if not requirement.specifier.contains(found, prereleases=True):
                yield Shortfall(wanted, found)


def _belongs(requirement: Requirement, extra: str) -> bool:
    """Whether the extra, and not already the package alone, asks for it on this machine."""
    if requirement.marker is None:
        return not extra
    alone = requirement.marker.evaluate({"extra": ""})
    return alone if not extra else requirement.marker.evaluate({"extra": extra}) and not alone
