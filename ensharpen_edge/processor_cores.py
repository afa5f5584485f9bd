"""How many processor cores there are to compute on."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Return the number of cores that this process may use; a container or `taskset` may allow fewer than exist."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usual_threads() -> int:
    """Return the number of threads to compute with where none is asked for: the user's `OMP_NUM_THREADS`, or one for
    each usable core."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdecimal() and int(wanted) else usable_cores()
