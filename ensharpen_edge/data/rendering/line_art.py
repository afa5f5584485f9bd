"""Drawings: thin and thick strokes, outlines, hatching and flat shapes."""

from __future__ import annotations

import math

from ensharpen_edge.data.rendering.canvas import Canvas, Colour


def draw_line_art(canvas: Canvas) -> None:
    """Draw strokes and shapes anywhere."""
    width, height = canvas.image.size
    paper, ink = canvas.paper_and_ink()
    canvas.draw.rectangle((0, 0, width, height), fill=paper)
    for _ in range(canvas.count(60, 140)):
        x, y = canvas.random.randint(0, width), canvas.random.randint(0, height)
        size = canvas.length(10, 110)
        colour = ink if canvas.random.random() < 0.6 else canvas.colour()
        canvas.random.choice((_stroke, _shape, _hatching, _rings))(canvas, x, y, size, colour)


def _stroke(canvas: Canvas, x: int, y: int, size: int, colour: Colour) -> None:
    heading, points = canvas.random.uniform(0, 2 * math.pi), [(float(x), float(y))]
    for _ in range(12):
        heading += canvas.random.gauss(0, 0.5)
        last = points[-1]
        points.append((last[0] + size / 6 * math.cos(heading), last[1] + size / 6 * math.sin(heading)))
    canvas.draw.line(points, fill=colour, width=canvas.length(0.5, 4), joint="curve")


def _shape(canvas: Canvas, x: int, y: int, size: int, colour: Colour) -> None:
    corners = canvas.random.randint(3, 7)
    fill = colour if canvas.random.random() < 0.5 else None
    canvas.draw.regular_polygon(
        (x, y, size / 2), corners, rotation=canvas.random.uniform(0, 360), fill=fill, outline=colour,
        width=canvas.length(0.5, 3),
    )  # fmt: skip


def _hatching(canvas: Canvas, x: int, y: int, size: int, colour: Colour) -> None:
    gap, slope = canvas.length(1.5, 6), canvas.random.uniform(-1, 1)
    thick = canvas.length(0.5, 1.5)
    for offset in range(0, size, gap):
        canvas.draw.line((x + offset, y, x + offset + slope * size, y + size), fill=colour, width=thick)


def _rings(canvas: Canvas, x: int, y: int, size: int, colour: Colour) -> None:
    thick = canvas.length(0.5, 3)
    for radius in range(canvas.length(2, 6), size // 2, canvas.length(3, 12) + thick):
        canvas.draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour, width=thick)
