"""The report `NAME.report.json` beside an artifact, written whether the export passed or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ensharpen_edge.errors import EnsharpenError
from ensharpen_edge.files import write_file


def write_report(path: Path, evidence: dict[str, Any]) -> None:
    """Write JSON types to `path`, and make its folder where there is none.

    Raises:
        BadInputError: It cannot be written.
    """
    write_file(path, (json.dumps(evidence, indent=2, allow_nan=False) + "\n").encode())


def failure(error: Exception) -> dict[str, Any]:
    """Return what a report says of the error that ended an export."""
    if isinstance(error, EnsharpenError):
        return {"passed": False, "error": str(error), "hint": error.hint, "exit_code": int(error.exit_code)}
    return {"passed": False, "error": f"{type(error).__name__}: {error}"}
