"""Names of the targets. A new target is one file in `export/targets/` and one line here."""

from __future__ import annotations

from ensharpen_edge.artifact import FLOAT_DTYPE
from ensharpen_edge.errors import unknown_name
from ensharpen_edge.export.request import Target
from ensharpen_edge.export.targets.coreml import CoremlTarget
from ensharpen_edge.export.targets.onnx import OnnxTarget
from ensharpen_edge.export.targets.tensorrt import TensorRtTarget
from ensharpen_edge.export.targets.tflite import TfliteTarget

TARGETS: tuple[Target, ...] = (OnnxTarget(), TfliteTarget(), TensorRtTarget(), CoremlTarget())


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


def choose_scheme(target: Target, precision: str, wanted: str | None) -> str:
    """The quantization scheme of an export.

    Raises:
        UsageError: The target does not take the wanted one.
    """
    schemes = target.schemes[precision]
    if wanted is not None and wanted not in schemes:
        raise unknown_name(f"scheme for target {target.name!r}, {precision}:", wanted, schemes)
    return wanted or schemes[0]


def choose_image_dtype(target: Target, precision: str, wanted: str | None) -> str:
    """The type of the file's images.

    Raises:
        UsageError: The target does not offer the wanted one at this precision.
    """
    known = target.image_dtypes.get(precision, (FLOAT_DTYPE,))
    if wanted is not None and wanted not in known:
        raise unknown_name(f"image type for target {target.name!r}, {precision}:", wanted, known)
    return wanted or known[0]
