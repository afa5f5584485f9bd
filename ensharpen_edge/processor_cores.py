"""How many processor cores there are to compute on."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Return the number of cores that this process may use; a container or `taskset` may allow fewer than exist."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
