"""File modes: temporary files are private, finished ones are as readable as the user's mask lets them be."""

from __future__ import annotations

import os


def current_umask() -> int:
    """The process's file mode mask; Python can only read it by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
