"""Scenes by name. A new scene is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable

from ensharpen_edge.data.rendering.canvas import Canvas
from ensharpen_edge.data.rendering.chart import draw_charts
from ensharpen_edge.data.rendering.interface import draw_interface
from ensharpen_edge.data.rendering.line_art import draw_line_art
from ensharpen_edge.data.rendering.page import draw_page, draw_signs

SCENES: dict[str, Callable[[Canvas], None]] = {
    "page": draw_page,
    "signs": draw_signs,
    "interface": draw_interface,
    "chart": draw_charts,
    "line-art": draw_line_art,
}
