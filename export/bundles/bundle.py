"""Make a bundle: the artifacts, the platform's code, and the hashes of everything, in a folder that appears whole."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from ensharpen_edge import __version__
from ensharpen_edge.artifact import GOLDEN, MANIFEST, Artifact
from ensharpen_edge.errors import BadInputError, IntegrityError, UsageError
from ensharpen_edge.export.bundles.manifest import BUNDLE, BundledModel, BundleManifest, installed
from ensharpen_edge.export.bundles.platform import Platform
from ensharpen_edge.export.bundles.tiling_vectors import VECTORS, shipped_vectors
from ensharpen_edge.files import file_hashes, whole_folder
from ensharpen_edge.progress import Progress, no_progress

MODELS = "models"
"""Folder of the artifacts in a bundle."""


def make_bundle(
    platform: Platform, artifacts: Sequence[Path], out: Path, progress: Progress = no_progress
) -> BundleManifest:
    """Make a bundle of artifacts for a platform. What it replaces must be a bundle, with nothing of others in it.

    Args:
        platform: With its options.
        artifacts: Artifact folders, at least one; the first is what the platform's code opens by itself.
        out: Folder of the bundle.
        progress: Told what is going on.

    Raises:
        UsageError: No artifact, one that the platform cannot run, or a folder that is not ours to replace.
        IntegrityError: An artifact is damaged, of another version, or without golden vectors.
        BadInputError: The folder cannot be written.
    """
    if not artifacts:
        raise UsageError("a bundle needs at least one artifact")
    progress("checking the artifacts")
    opened = [Artifact.open(path) for path in dict.fromkeys(artifacts)]
    for artifact in opened:
        if GOLDEN not in artifact.manifest.files:
            raise IntegrityError(f"{artifact.path}: holds no golden vectors", hint="export it again")
        platform.check_artifact(artifact)
    names = _slugs([artifact.path for artifact in opened])
    models = tuple(_model(name, artifact) for name, artifact in zip(names, opened, strict=True))
    try:
        with whole_folder(out, "a bundle", _own_files) as folder:
            progress("copying the artifacts")
            for model, artifact in zip(models, opened, strict=True):
                _copy_artifact(artifact, folder / model.folder)
            (folder / VECTORS).write_text(shipped_vectors(), encoding="utf-8")
            progress(f"writing the {platform.title} code")
            platform.write(folder, models, opened)
            _copy_licences(folder)
            files = file_hashes(folder, but=BUNDLE)
            manifest = BundleManifest(platform.name, models, files, {"ensharpen-edge": __version__, **platform.tools()})
            (folder / BUNDLE).write_text(manifest.to_json(), encoding="utf-8")
    except OSError as error:
        raise BadInputError(f"{out}: the bundle cannot be written ({error})") from error
    return manifest


def _copy_artifact(artifact: Artifact, folder: Path) -> None:
    """Copy what the manifest lists, verified as it is read, and nothing else that may lie there."""
    for name in artifact.manifest.files:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(artifact.read(name))
    (folder / MANIFEST).write_text(artifact.manifest.to_json(), encoding="utf-8")


def _slugs(paths: Sequence[Path]) -> list[str]:
    """Return names for folders and addresses: plain ASCII, each once."""
    slugs: list[str] = []
    for path in paths:
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", path.resolve().name).strip("-.") or "model"
        same = sum(other == slug or other.startswith(f"{slug}-copy") for other in slugs)
        slugs.append(f"{slug}-copy{same}" if same else slug)
    return slugs


def _model(name: str, artifact: Artifact) -> BundledModel:
    known = artifact.manifest
    return BundledModel(name, f"{MODELS}/{name}", known.target, known.precision, known.task)


def _own_files(path: Path) -> set[str]:
    """Return what a bundle holds: its files as they were written, and what npm adds by itself.

    A file that was edited is its editor's.
    """
    stated = BundleManifest.read(path).files
    found = file_hashes(path, but=BUNDLE)
    return {BUNDLE, *(name for name, digest in found.items() if installed(name) or stated.get(name) == digest)}


def _copy_licences(folder: Path) -> None:
    """Copy the licence of the code; that of the weights is on each artifact's card."""
    installed = metadata.distribution("ensharpen-edge")
    for name in ("LICENSE", "NOTICE"):
        text = installed.read_text(f"licenses/{name}") or installed.read_text(name)
        if text is not None:
            (folder / name).write_text(text, encoding="utf-8")
