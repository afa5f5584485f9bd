"""Printed and written pages: lines of text in columns, headlines, in many sizes, now and then on a slant."""

from __future__ import annotations

from PIL import Image

from ensharpen_edge.data.rendering.canvas import Canvas, Colour


def draw_page(canvas: Canvas) -> None:
    """Draw columns of text."""
    paper, ink = canvas.paper_and_ink()
    width, height = canvas.image.size
    canvas.draw.rectangle((0, 0, width, height), fill=paper)
    columns = canvas.random.randint(1, 4)
    for column in range(columns):
        left = column * width // columns + canvas.length(6, 14)
        # Cuts the lines of the column before.
        canvas.draw.rectangle((column * width // columns, 0, width, height), fill=paper)
        top = canvas.length(4, 20)
        while top < height:
            headline = canvas.random.random() < 0.08
            size = canvas.random.randint(24, 64) if headline else canvas.random.randint(9, 20)
            font = canvas.font(size)
            colour = canvas.colour() if canvas.random.random() < 0.05 else ink
            for _ in range(1 if headline else canvas.random.randint(3, 9)):
                canvas.draw.text((left, top), canvas.words(14), font=font, fill=colour)
                top += round(size * 2 * canvas.random.uniform(1.15, 1.2))
            top += canvas.length(4, 16)
    if canvas.random.random() < 0.5:
        _slant(canvas, paper)


def draw_signs(canvas: Canvas) -> None:
    """Draw plates with a few large words, as streets and shops have them."""
    width, height = canvas.image.size
    canvas.draw.rectangle((0, 0, width, height), fill=canvas.colour(40, 200))
    for _ in range(canvas.count(18, 40)):
        paper, ink = canvas.paper_and_ink()
        if canvas.random.random() < 0.5:
            paper = canvas.colour()
        size = canvas.random.randint(14, 110)
        text = canvas.words(canvas.random.randint(1, 3))
        font = canvas.font(size)
        left, top = canvas.random.randint(-100, width), canvas.random.randint(-50, height)
        box = canvas.draw.textbbox((left, top), text, font=font)
        edge = canvas.length(4, 14)
        plate = (box[0] - edge, box[1] - edge, box[2] + edge, box[3] + edge)
        canvas.draw.rounded_rectangle(plate, canvas.length(0, 12), fill=paper, outline=ink, width=canvas.length(0.5, 4))
        canvas.draw.text((left, top), text, font=font, fill=ink)


def _slant(canvas: Canvas, paper: Colour) -> None:
    turned = canvas.image.rotate(
        canvas.random.uniform(-25, 25), resample=Image.Resampling.BICUBIC, fillcolor=paper, expand=False
    )
    canvas.image.paste(turned)
