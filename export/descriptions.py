"""Sentences about what a network does to a photograph, for cards and for the metadata of files."""

from __future__ import annotations

_TASKS = {
    "sharpen": "Sharpens a photograph: removes blur and noise.",
    "denoise": "Removes noise from a photograph, and leaves its blur.",
    "colour": "Corrects the colours of a photograph.",
    "upscale2": "Enlarges a photograph to twice its height and width.",
    "upscale4": "Enlarges a photograph to four times its height and width.",
}


def describe_task(task: str) -> str:
    """Return the sentence for a task.

    Args:
        task: One of `models.config.HEAD_SCALES`.
    """
    return _TASKS[task]
