"""The oldest runtime that has every kernel of a file.

From TensorFlow Lite's tools/versioning: `op_version.cc` says which version an operator needs for its types,
`runtime_version.cc` which release brought that version.
"""

from __future__ import annotations

from collections.abc import Iterable

from ensharpen_edge.errors import IntegrityError
from ensharpen_edge.export.targets.tflite.operators import Operator

RELEASES: dict[tuple[str, int], str] = {
    ("ADD", 1): "1.5.0",
    ("ADD", 2): "1.14.0",
    ("ADD", 3): "2.4.0",
    ("AVERAGE_POOL_2D", 1): "1.5.0",
    ("CONCATENATION", 1): "1.5.0",
    ("CONV_2D", 1): "1.5.0",
    ("CONV_2D", 3): "1.14.0",
    ("CONV_2D", 4): "2.3.0",
    ("CONV_2D", 5): "2.4.0",
    ("DEPTHWISE_CONV_2D", 1): "1.5.0",
    ("DEPTHWISE_CONV_2D", 3): "1.14.0",
    ("DEPTHWISE_CONV_2D", 5): "2.3.0",
    ("DEPTH_TO_SPACE", 1): "2.1.0",
    ("DEPTH_TO_SPACE", 2): "2.5.0",
    ("DEQUANTIZE", 1): "1.13.1",
    ("DEQUANTIZE", 2): "1.14.0",
    ("DEQUANTIZE", 3): "1.15.0",
    ("DEQUANTIZE", 5): "2.7.0",
    ("LOGISTIC", 1): "1.14.0",
    ("MEAN", 1): "1.6.0",
    ("MINIMUM", 1): "1.14.0",
    ("MUL", 1): "1.5.0",
    ("QUANTIZE", 1): "1.14.0",
    ("QUANTIZE", 2): "1.15.0",
    ("RELU", 1): "1.5.0",
    ("RESIZE_BILINEAR", 3): "2.2.0",
    ("SPACE_TO_DEPTH", 1): "1.5.0",
    ("SPACE_TO_DEPTH", 2): "1.14.0",
}


def minimum_runtime(operators: Iterable[Operator]) -> str:
    """Return the release, e.g. `2.5.0`.

    Raises:
        IntegrityError: An operator that this project does not write.
    """
    releases = []
    for operator in operators:
        release = RELEASES.get((operator.name, operator.version))
        if release is None:
            raise IntegrityError(f"{operator.name} version {operator.version} is not one of this project's operators")
        releases.append(release)
    return max(releases, key=lambda release: tuple(map(int, release.split("."))))
