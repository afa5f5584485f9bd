"""Figures of matplotlib as files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from ensharpen_edge.errors import BadInputError
from ensharpen_edge.whole_file import write_file


def save_figure(figure: Any, path: Path) -> None:  # noqa: ANN401 (matplotlib Figure)
    """Write a figure, in the format of the file's ending, and close it.

    Raises:
        BadInputError: An ending that is no picture's, or the file cannot be written.
    """
    from matplotlib import pyplot

    buffer = io.BytesIO()
    try:
        figure.savefig(buffer, dpi=120, format=path.suffix.lstrip(".") or "png")
    except ValueError as error:
        raise BadInputError(f"{path}: no picture can be written so ({error})", hint="a .png or .svg file") from error
    finally:
        pyplot.close(figure)
    write_file(path, buffer.getvalue())
