"""Screens of programs: windows, bars, buttons, lists, and pictures of flat colour."""

from __future__ import annotations

from ensharpen_edge.data.rendering.canvas import Canvas


def draw_interface(canvas: Canvas) -> None:
    """Draw overlapping windows on a flat background."""
    width, height = canvas.image.size
    canvas.draw.rectangle((0, 0, width, height), fill=canvas.colour(20, 235))
    for _ in range(canvas.count(3, 7)):
        left, top = canvas.random.randint(-80, width * 3 // 4), canvas.random.randint(-80, height * 3 // 4)
        _window(canvas, left, top, left + canvas.length(220, 560), top + canvas.length(160, 420))


def _window(canvas: Canvas, left: int, top: int, right: int, bottom: int) -> None:
    paper, ink = canvas.paper_and_ink()
    accent = canvas.colour()
    radius, bar = canvas.length(0, 10), canvas.length(18, 32)
    canvas.draw.rounded_rectangle(
        (left, top, right, bottom), radius, fill=paper, outline=ink, width=canvas.length(0, 2)
    )
    canvas.draw.rectangle((left, top + radius, right, top + bar), fill=accent)
    canvas.draw.text((left + bar // 2, top + bar // 5), canvas.words(2), font=canvas.font(bar // 3), fill=paper)
    row = top + bar + canvas.length(4, 12)
    size = canvas.random.randint(9, 16)
    while row < bottom - 3 * size:
        x = left + canvas.length(6, 16)
        kind = canvas.random.choice(("text", "button", "rule", "boxes", "text"))
        if kind == "button":
            end = min(right - 8, x + canvas.length(50, 120))
            if end > x + 4 * size:
                canvas.draw.rounded_rectangle((x, row, end, row + 4 * size), canvas.length(1, 8), fill=accent)
                canvas.draw.text((x + size, row + size), canvas.words(1), font=canvas.font(size), fill=paper)
            row += 2 * size
        elif kind == "rule":
            canvas.draw.line((x, row, right - 12, row), fill=ink, width=canvas.length(0.5, 2))
        elif kind == "boxes":
            for column in range(x, right - 4 * size, 5 * size):
                canvas.draw.rectangle(
                    (column, row, column + 3 * size, row + 3 * size), fill=canvas.colour(), outline=ink
                )
            row += 2 * size
        else:
            room = max(1, (right - x) // (7 * size))
            canvas.draw.text((x, row), canvas.words(room), font=canvas.font(size), fill=ink)
        row += round(2.6 * size)
