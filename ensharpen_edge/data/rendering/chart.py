"""Charts: bars, curves and scattered points on a grid, with labels."""

from __future__ import annotations

import math

from ensharpen_edge.data.rendering.canvas import Canvas, Colour


def draw_charts(canvas: Canvas) -> None:
    """Draw a grid of charts on paper."""
    width, height = canvas.image.size
    paper, ink = canvas.paper_and_ink()
    canvas.draw.rectangle((0, 0, width, height), fill=paper)
    columns, rows = canvas.random.randint(1, 3), canvas.random.randint(1, 3)
    for column in range(columns):
        for row in range(rows):
            box = (
                column * width // columns + canvas.length(24, 36),
                row * height // rows + canvas.length(20, 30),
                (column + 1) * width // columns - canvas.length(6, 16),
                (row + 1) * height // rows - canvas.length(24, 34),
            )
            _chart(canvas, box, ink)


def _chart(canvas: Canvas, box: tuple[int, int, int, int], ink: Colour) -> None:
    left, top, right, bottom = box
    draw, numbers = canvas.draw, canvas.random
    grey = canvas.colour(120, 200)
    size = numbers.randint(9, 14)
    font = canvas.font(size)
    ticks = numbers.randint(3, 9)
    for tick in range(ticks + 1):
        y = bottom - (bottom - top) * tick // ticks
        draw.line((left, y, right, y), fill=grey, width=1 + numbers.randint(0, 1))
        draw.text((left - 4 * size, y - size), f"{tick * numbers.randint(1, 20)}", font=font, fill=ink)
    draw.line((left, top, left, bottom, right, bottom), fill=ink, width=canvas.length(0.5, 2))
    draw.text((left, top - 3 * size), canvas.words(3), font=font, fill=ink)
    kind = numbers.choice(("bars", "curve", "points"))
    count = numbers.randint(5, 30)
    step = max(2, (right - left) // count)
    for series in range(numbers.randint(1, 4)):
        colour, phase = canvas.colour(0, 220), numbers.uniform(0, 6)
        heights = [0.5 + 0.45 * math.sin(phase + i * numbers.uniform(0.2, 0.5)) for i in range(count)]
        places = [(left + i * step, bottom - round(h * (bottom - top))) for i, h in enumerate(heights)]
        if kind == "bars" and series == 0:
            for x, y in places:
                draw.rectangle((x + step // 6, y, x + step * 5 // 6, bottom), fill=colour)
        elif kind == "curve":
            draw.line(places, fill=colour, width=canvas.length(0.5, 2.5), joint="curve")
        else:  # points; and what lies over bars
            radius = canvas.length(1, 4)
            for x, y in places:
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
