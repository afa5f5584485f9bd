"""What every platform of bundles has: which artifacts it takes, what it adds to them, and how it checks itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.export.bundles.manifest import BundledModel


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        what: A few words.
        outcome: What came of it; of a check that could not be made here, why.
        done: Whether it was made.
    """

    what: str
    outcome: str
    done: bool = True


class Platform(ABC):
    """A platform. Its folder holds everything that it adds; the registry has one line for it."""

    name: ClassVar[str]
    """Name in commands and manifests."""
    title: ClassVar[str]
    """The platform's own name, for messages."""

    @abstractmethod
    def check_artifact(self, artifact: Artifact) -> None:
        """Refuse an artifact that the platform's code cannot run.

        Raises:
            UsageError: Says why, and which would do.
        """

    @abstractmethod
    def write(self, folder: Path, models: Sequence[BundledModel], artifacts: Sequence[Artifact]) -> None:
        """Write the platform's own files into a folder that holds the artifacts already.

        Raises:
            UsageError, BadInputError: An option of the platform cannot be met.
        """

    @abstractmethod
    def tools(self) -> dict[str, str]:
        """Return the versions that the platform's code is made for, by name."""

    @abstractmethod
    def verify(self, folder: Path) -> Iterator[Check]:
        """Run on this machine what of the platform's code can run here.

        Raises:
            ParityError: It computes something else.
        """
