"""Core ML's own compiler and planner, which exist on macOS only."""

from __future__ import annotations

import platform
from collections import Counter
from pathlib import Path
from typing import Any

COMPILED = "model.mlmodelc"
ELSEWHERE = "not compiled: Core ML's compiler exists on macOS only; Xcode compiles the package as well"


def compile_package(package: Path) -> tuple[str, dict[str, int]]:
    """Write `model.mlmodelc` beside a package.

    Returns:
        What became of it; and, from macOS 14.4 on, how many operations Core ML plans for each device.
    """
    if platform.system() != "Darwin":
        return ELSEWHERE, {}
    import coremltools as ct

    target = package.parent / COMPILED
    ct.models.utils.compile_model(str(package), str(target))
    try:
        return COMPILED, planned_devices(target)
    except (RuntimeError, ValueError):  # an older macOS has the compiler only
        return COMPILED, {}


def planned_devices(compiled: Path) -> dict[str, int]:
    """Return by device how many operations of a compiled model Core ML would give it, constants apart."""
    import coremltools as ct
    from coremltools.models.compute_plan import MLComputePlan

    plan: Any = MLComputePlan.load_from_path(str(compiled), compute_units=ct.ComputeUnit.ALL)
    counts: Counter[str] = Counter()
    for operation in plan.model_structure.program.functions["main"].block.operations:
        usage = plan.get_compute_device_usage_for_mlprogram_operation(operation)
        if usage is not None:
            counts[type(usage.preferred_compute_device).__name__] += 1
    return dict(counts)
