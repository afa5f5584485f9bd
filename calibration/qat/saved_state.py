"""The state of a run under the name of its step, and a pointer that names it and its hash.

The pointer is replaced when the new state is whole; the older state is removed after that. Whenever a run is cut, the
pointer names a state that is there, and a state that was damaged since is not gone on with.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ensharpen_edge.errors import IntegrityError
from ensharpen_edge.files import sha256_of, write_file
from ensharpen_edge.training.state import RunState, Standing, load_state, save_state

POINTER = "state.json"
_HINT = "choose another --out, and start from the beginning"


def has_state(folder: Path) -> bool:
    """Whether a run was saved here."""
    return (folder / POINTER).exists()


def save_run(folder: Path, state: RunState, standing: Standing, settings: dict[str, Any]) -> None:
    """Write the state of a step.

    Raises:
        BadInputError: It cannot be written; the earlier one is untouched.
    """
    path = folder / f"state-{standing.step:07d}.safetensors"
    save_state(path, state, standing, settings)
    write_file(folder / POINTER, json.dumps({"file": path.name, "sha256": sha256_of(path)}).encode())
    for older in folder.glob("state-*.safetensors"):
        if older != path:
            older.unlink(missing_ok=True)


def load_run(folder: Path, state: RunState, settings: dict[str, Any]) -> Standing:
    """Restore what `save_run` wrote, in place.

    Raises:
        IntegrityError: No pointer, a state that is missing or was altered, or one of a run with other settings.
    """
    pointer = folder / POINTER
    try:
        named = json.loads(pointer.read_text(encoding="utf-8"))
        path, stated = folder / Path(named["file"]).name, str(named["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{pointer}: names no saved state ({error})", hint=_HINT) from error
    if not path.is_file() or sha256_of(path) != stated:
        raise IntegrityError(f"{path}: is missing, or differs from the sha256 in {POINTER}", hint=_HINT)
    return load_state(path, state, settings)
