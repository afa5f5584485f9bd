"""Check a bundle again, on any machine: every file, every artifact, and what of it can run here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.errors import IntegrityError, MissingToolError, OverBudgetError
from ensharpen_edge.export.bundles.manifest import BUNDLE, BundleManifest, installed
from ensharpen_edge.export.bundles.platform import Check
from ensharpen_edge.export.bundles.registry import find_platform
from ensharpen_edge.export.bundles.tiling_vectors import VECTORS, as_text, tiling_vectors
from ensharpen_edge.progress import Progress, no_progress
from ensharpen_edge.runtime.engines.registry import open_engine
from ensharpen_edge.runtime.self_test import self_test


def verify_bundle(folder: Path, max_bytes: int | None = None, progress: Progress = no_progress) -> tuple[Check, ...]:
    """Check a bundle.

    Args:
        folder: The bundle.
        max_bytes: Most bytes that its files may take together, or None.
        progress: Told what is going on.

    Returns:
        What was looked at, and what could not be on this machine.

    Raises:
        IntegrityError: No bundle, or a file of it is missing or altered; names it.
        ParityError: A model or the platform's code computes something else here.
        OverBudgetError: It is larger than it may be.
    """
    manifest = BundleManifest.read(folder)
    platform = find_platform(manifest.platform)
    progress("checking the files")
    manifest.check_files(folder)
    size = manifest.size(folder)
    if max_bytes is not None and size > max_bytes:
        raise OverBudgetError(f"{folder}: takes {size} bytes, allowed {max_bytes}")
    whole = Check("files", f"{len(manifest.files)} as they were bundled, {size} bytes")
    checks = [whole, *_additions(folder, manifest)]
    if VECTORS not in manifest.files:
        raise IntegrityError(f"{folder}: {VECTORS} is not listed in {BUNDLE}", hint="make the bundle again")
    if (folder / VECTORS).read_text(encoding="utf-8") != as_text(tiling_vectors()):
        raise IntegrityError(f"{folder / VECTORS}: not the vectors of this version", hint="make the bundle again")
    checks.append(Check("tiling vectors", "those of this version"))
    for model in manifest.models:
        progress(f"replaying the golden image of {model.name}")
        checks.append(_replayed(Artifact.open(folder / model.folder), model.name))
    progress(f"running the {platform.title} code")
    checks += platform.verify(folder)
    return tuple(checks)


def _replayed(artifact: Artifact, name: str) -> Check:
    what = f"golden image of {name}"
    try:
        with open_engine(artifact) as engine:
            result = self_test(artifact, engine, again=True)
            return Check(what, f"reproduced by {engine.title} on {engine.device}, {result.facts()}")
    except MissingToolError as error:
        return Check(what, f"not replayed here: {error}", done=False)


def _additions(folder: Path, manifest: BundleManifest) -> Iterator[Check]:
    """Name files that came later, but for what npm installed."""
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    others = sorted(name for name in found - {BUNDLE, *manifest.files} if not installed(name))
    if others:
        yield Check("files that were added", f"{len(others)}: {', '.join(others[:5])}", done=False)
