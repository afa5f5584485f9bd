"""Rows of Markdown tables (GitHub Flavored Markdown), whatever their texts hold."""

from __future__ import annotations

from collections.abc import Iterable

from ensharpen_edge.visible_text import visible


def markdown_text(text: str) -> str:
    """Return a name or message for a cell or a heading: on one line, without tags, its bars not the table's."""
    plain = " ".join(visible(text).split())
    return plain.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def markdown_row(cells: Iterable[str]) -> str:
    """Return a line of a table; cells are Markdown, names in them have gone through `markdown_text`."""
    return "| " + " | ".join(cells) + " |"
