"""Where a run's photographs come from, and what may be done with its weights."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ensharpen_edge.errors import BadInputError, IntegrityError
from ensharpen_edge.files import whole_file

STATEMENT_FILE = "provenance.json"
NOT_STATED = "not stated"


@dataclass(frozen=True)
class Statement:
    """The statement of the user, who alone knows it.

    Attributes:
        licence: Licence of the weights.
        source: Origin and licences of the photographs.
    """

    licence: str = NOT_STATED
    source: str = NOT_STATED


@dataclass(frozen=True)
class Provenance:
    """Origin of a run's photographs and labels, for the card.

    Attributes:
        stated: The user's statement.
        photographs: Their number, 0 for shards.
        megapixels: Their pixels, in millions.
        teacher: sha256 of the teacher's file, or of the labels' key, or None.
    """

    stated: Statement = Statement()
    photographs: int = 0
    megapixels: float = 0.0
    teacher: str | None = None


def remember_statement(folder: Path, licence: str | None, source: str | None) -> Statement:
    """Return the statement of this start or, where it says nothing, that of an earlier one.

    It is kept in the run's folder, so that resuming need not repeat it.

    Args:
        folder: Folder of the run; made if need be.
        licence, source: None where nothing is said now.

    Raises:
        IntegrityError: The file of an earlier start is damaged.
        BadInputError: The file cannot be written.
    """
    path = folder / STATEMENT_FILE
    earlier = Statement()
    if path.exists():
        try:
            earlier = Statement(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise IntegrityError(
                f"{path}: not a readable statement ({error})", hint="delete it, and give --licence and --source again"
            ) from error
    stated = Statement(licence or earlier.licence, source or earlier.source)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps(asdict(stated), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise BadInputError(f"{path}: cannot be written ({error})") from error
    return stated
