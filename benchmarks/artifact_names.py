"""What artifacts are called in tables."""

from __future__ import annotations

from pathlib import Path

from ensharpen_edge.errors import UsageError


def artifact_names(paths: list[Path]) -> list[str]:
    """Folder names, or whole paths where two folders have one name."""
    names = [path.name for path in paths]
    return [path.name if names.count(path.name) == 1 else str(path) for path in paths]


def baseline_name(baseline: Path | None, paths: list[Path], names: list[str]) -> str | None:
    """Name of the artifact that others are compared with.

    Raises:
        UsageError: It is none of the artifacts.
    """
    if baseline is None:
        return None
    for path, name in zip(paths, names, strict=True):
        if baseline == path or str(baseline) == name:
            return name
    raise UsageError(f"--baseline {baseline}: is none of the artifacts", hint=f"one of: {', '.join(names)}")
