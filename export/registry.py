"""Names of the targets. A new target is one file in `export/targets/` and one line here."""

from __future__ import annotations

from ensharpen_edge.errors import unknown_name
from ensharpen_edge.export.request import Target
from ensharpen_edge.export.targets.onnx import OnnxTarget
from ensharpen_edge.export.targets.tflite import TfliteTarget

TARGETS: tuple[Target, ...] = (OnnxTarget(), TfliteTarget())


def find_target(name: str) -> Target:
    """The target called `name`.

    Raises:
        UsageError: No such target; names the nearest.
    """
    for target in TARGETS:
        if target.name == name:
            return target
    raise unknown_name("target", name, [target.name for target in TARGETS])


def check_precision(target: Target, precision: str) -> None:
    """Raises `UsageError` when the target does not offer the precision; names the nearest."""
    if precision not in target.precisions:
        raise unknown_name(f"precision for target {target.name!r}:", precision, target.precisions)
