"""Names of the targets. A new target is one folder in `export/targets/` and one name here."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ensharpen_edge.artifact_manifest import FLOAT_DTYPE
from ensharpen_edge.errors import UsageError, unknown_name
from ensharpen_edge.export.targets.options import TargetOptions, command_options

if TYPE_CHECKING:
    from ensharpen_edge.export.targets.base import Target

TARGETS = ("onnx", "openvino", "tflite", "trt", "coreml")
"""Folders of `export/targets/`. A target is imported when it is asked for: its tools are heavy."""


def find_target(name: str) -> Target:
    """Return the target called `name`.

    Raises:
        UsageError: There is none; names the nearest.
    """
    target: Target = _part(name, "target").TARGET
    return target


def find_options(name: str) -> type[TargetOptions]:
    """Return the type of a target's options; its tools are not imported.

    Raises:
        UsageError: There is no such target; names the nearest.
    """
    options: type[TargetOptions] = _part(name, "options").OPTIONS
    return options


def read_options(name: str, given: Mapping[str, Any]) -> TargetOptions:
    """Return the options of a target from what a command line filled.

    Args:
        name: Target.
        given: Values by the names of fields, of whichever target's options.

    Raises:
        UsageError: A field is another target's, or the values do not fit together.
    """
    chosen = find_options(name)
    for field in given:
        if field not in _fields(chosen):
            owners = [options for options in map(find_options, TARGETS) if field in _fields(options)]
            flags = {option.field: option.flag for options in owners for option in command_options(options)}
            files = " and ".join(options.files for options in owners)
            shown = f"{flags[field]} is" if field in flags else "several sizes are"
            raise UsageError(f"{shown} for {files}: the target {name} has no such option", hint="leave it out")
    return chosen(**given)


def _fields(options: type[TargetOptions]) -> set[str]:
    return {field.name for field in dataclasses.fields(options)}


def _part(name: str, module: str) -> Any:  # noqa: ANN401 (a module, whose contents each caller types)
    if name not in TARGETS:
        raise unknown_name("target", name, TARGETS)
    return import_module(f"{__package__}.{name}.{module}")


def check_precision(target: Target, precision: str) -> None:
    """Raise `UsageError` when the target does not offer the precision; names the nearest."""
    if precision not in target.precisions:
        raise unknown_name(f"precision for target {target.name!r}:", precision, target.precisions)


def choose_scheme(target: Target, precision: str, wanted: str | None) -> str:
    """Return the quantization scheme of an export.

    Raises:
        UsageError: The target does not take the wanted one.
    """
    schemes = target.schemes[precision]
    if wanted is not None and wanted not in schemes:
        raise unknown_name(f"scheme for target {target.name!r}, {precision}:", wanted, schemes)
    return wanted or schemes[0]


def choose_image_dtype(target: Target, precision: str, wanted: str | None) -> str:
    """Return the dtype of the file's images.

    Raises:
        UsageError: The target does not offer the wanted one at this precision.
    """
    known = target.image_dtypes.get(precision, (FLOAT_DTYPE,))
    if wanted is not None and wanted not in known:
        raise unknown_name(f"image type for target {target.name!r}, {precision}:", wanted, known)
    return wanted or known[0]
