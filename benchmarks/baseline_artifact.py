"""The artifact that others are compared with."""

from __future__ import annotations

from pathlib import Path

from ensharpen_edge.errors import UsageError


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
