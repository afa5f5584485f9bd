"""Figures of matplotlib: drawn without a display, with names as they are, as files or as text of a page."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from ensharpen_edge.errors import BadInputError, require
from ensharpen_edge.files import write_file
from ensharpen_edge.visible_text import one_line


def load_pyplot() -> Any:  # noqa: ANN401 (a module)
    """Return `matplotlib.pyplot`, set to draw into memory.

    Raises:
        MissingToolError: matplotlib is not installed.
    """
    require("matplotlib", "bench").use("Agg")
    from matplotlib import pyplot

    return pyplot


def figure_text(text: str) -> str:
    """Return a name for a figure: matplotlib would typeset what stands between two dollars as mathematics."""
    return one_line(text).replace("$", r"\$")


def save_figure(figure: Any, path: Path) -> None:  # noqa: ANN401 (matplotlib Figure)
    """Write a figure, in the format of the file's ending, and close it.

    Raises:
        BadInputError: The ending is no picture's, or the file cannot be written.
    """
    buffer = io.BytesIO()
    try:
        figure.savefig(buffer, dpi=120, format=path.suffix.lstrip(".") or "png")
    except ValueError as error:
        raise BadInputError(f"{path}: no picture can be written so ({error})", hint="a .png or .svg file") from error
    finally:
        load_pyplot().close(figure)
    write_file(path, buffer.getvalue())


def figure_svg(figure: Any) -> str:  # noqa: ANN401 (matplotlib Figure)
    """Return a figure as an SVG element and close it: text stays text, and the page's background shows through."""
    pyplot = load_pyplot()
    buffer = io.StringIO()
    with pyplot.rc_context({"svg.fonttype": "none", "svg.hashsalt": "report"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    pyplot.close(figure)
    text = buffer.getvalue()
    return text[text.index("<svg") :]
