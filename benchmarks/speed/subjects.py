"""Artifacts as things to measure: opened, with an image of a size they take, or the reason why they cannot run here."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ensharpen_edge.arrays import U8
from ensharpen_edge.artifact import MANIFEST, Artifact
from ensharpen_edge.errors import BadInputError, EnsharpenError, IntegrityError
from ensharpen_edge.runtime.engines.base import Batch, Engine
from ensharpen_edge.runtime.engines.registry import open_engine
from ensharpen_edge.runtime.pipeline import to_batch


@dataclass(frozen=True)
class Subject:
    """One opened artifact.

    Attributes:
        name: Name in tables.
        artifact, engine: Artifact and the engine that runs it.
        size: (height, width) of the timed image.
        batch: The image as the engine takes it.
        untimed: Reason why its speed here says nothing, or None.
    """

    name: str
    artifact: Artifact
    engine: Engine
    size: tuple[int, int]
    batch: Batch
    untimed: str | None

    @property
    def megapixels(self) -> float:
        """Size of the timed image, millions of pixels."""
        return self.size[0] * self.size[1] / 1e6

    def run(self) -> None:
        """Run one inference."""
        self.engine.run(self.batch)


@dataclass(frozen=True)
class NotRun:
    """An artifact that cannot be measured here.

    Attributes:
        name: Name in tables.
        reason: Sentence that says why.
    """

    name: str
    reason: str


def no_latency_reason(artifact: Artifact) -> str | None:
    """Return why an artifact's speed here says nothing, or None. The one place that asks which system this is."""
    if artifact.manifest.traits.format == "mlpackage" and platform.system() != "Darwin":
        return "no latency here: Core ML runs on macOS only, elsewhere an interpreter stands in for it"
    if not artifact.manifest.traits.can_be_timed:
        return "no latency here: the kit becomes an engine on the device, here its graph runs on the CPU"
    return None


def find_artifacts(paths: Sequence[Path]) -> list[Path]:
    """Return artifact folders among the given paths and directly in them; files, such as reports, are passed over.

    Raises:
        IntegrityError: A path does not exist.
        BadInputError: There are no artifacts.
    """
    found = []
    for path in paths:
        if not path.exists():
            raise IntegrityError(f"{path}: not an artifact, there is nothing")
        if (path / MANIFEST).is_file():
            found.append(path)
        elif path.is_dir():
            found += sorted(inner.parent for inner in path.glob(f"*/{MANIFEST}"))
    if not found:
        raise BadInputError(f"no artifacts in {', '.join(map(str, paths))}", hint="export one with ensharpen-export")
    return found


def timed_size(artifact: Artifact, wanted: tuple[int, int]) -> tuple[int, int]:
    """Return the artifact's own size where it has one, else the wanted one, up to its grid and within what it takes."""
    shape = artifact.manifest.shape
    if shape.height is not None and shape.width is not None:
        return shape.height, shape.width
    step = shape.multiple_of
    height, width = (-(-side // step) * step for side in wanted)
    if shape.largest is not None:
        height, width = min(height, shape.largest[0]), min(width, shape.largest[1])
    if shape.smallest is not None:
        height, width = max(height, shape.smallest[0]), max(width, shape.smallest[1])
    return height, width


@contextmanager
def open_subjects(
    paths: Sequence[Path], size: tuple[int, int], threads: int, names: Sequence[str], untimed: bool = False
) -> Iterator[tuple[list[Subject], list[NotRun]]]:
    """Open and try all artifacts that run here; yields them, and the others with the reason; closes them afterwards.

    Args:
        paths: Artifact folders.
        size: (height, width) for artifacts that take any.
        threads: CPU threads; 0 for `OMP_NUM_THREADS`, or all cores.
        names: Names in tables, in the order of the paths.
        untimed: Whether those are opened as well whose speed here says nothing.

    Raises:
        IntegrityError: An artifact is damaged: that is no reason to go on without it.
    """
    subjects: list[Subject] = []
    others: list[NotRun] = []
    with ExitStack() as stack:
        for path, name in zip(paths, names, strict=True):
            artifact = Artifact.open(path)
            reason = no_latency_reason(artifact)
            if reason is not None and not untimed:
                others.append(NotRun(name, reason))
                continue
            try:
                engine = stack.enter_context(open_engine(artifact, threads=threads))
                actual = timed_size(artifact, size)
                batch = to_batch(noise_image(actual), artifact.manifest.io)
                if reason is None:
                    engine.run(batch)
            except IntegrityError:
                raise
            except EnsharpenError as error:
                others.append(NotRun(name, f"not run: {error}"))
                continue
            subjects.append(Subject(name, artifact, engine, actual, batch, reason))
        yield subjects, others


def noise_image(size: tuple[int, int]) -> U8:
    """Return uint8 (H, W, 3), the same every time; what an image shows does not change how long a network takes."""
    return np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
