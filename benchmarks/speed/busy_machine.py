"""Whether this machine is quiet enough for its times to mean something."""

from __future__ import annotations

import os

from ensharpen_edge.benchmarks.speed.machine import machine_state

BUSY = 0.1
"""Noise, as a share of the median, above which times deserve a warning."""


def timing_warnings(noise: float, enough: bool = True) -> tuple[str, ...]:
    """Return sentences about what makes times worth less.

    Args:
        noise: Largest noise of the times, see `statistics.Summary`.
        enough: Whether all medians became as precise as wanted.
    """
    warnings = []
    if noise > BUSY:
        warnings.append(f"a busy machine: times vary by {noise:.0%}")
    load, cores = machine_state().load, os.cpu_count() or 1
    if load is not None and load > cores:
        warnings.append(f"a busy machine: {load:.1f} processes want its {cores} cores")
    if not enough:
        warnings.append("the rounds ran out before all medians were known to 2 %")
    return tuple(warnings)
