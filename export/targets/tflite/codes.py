"""Integer codes of tensors, as TFLite's quantization specification wants them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ensharpen_edge.calibration.ranges import Range, Scheme

_SMALLEST_STEP = 1e-9


@dataclass(frozen=True)
class Codes:
    """Codes with `value = step * (code - zero)`.

    Attributes:
        dtype: numpy name: `int8`, `uint8` or `int16`.
        step: Distance of neighbouring codes.
        zero: Code of 0.
    """

    dtype: str
    step: float
    zero: int


PIXELS = {"uint8": Codes("uint8", 1.0 / 255.0, 0), "int8": Codes("int8", 1.0 / 255.0, -128)}
"""Codes of 8-bit images."""


def activation_codes(span: Range, scheme: Scheme) -> Codes:
    """Return the codes of an activation: int8 with any zero, or int16 with zero in the middle.

    LiteRT's 8-bit quantization specification (ai.google.dev/edge/litert/models/quantization_spec).
    """
    step = max((span.high - span.low) / scheme.steps, _SMALLEST_STEP)
    if scheme.symmetric:
        return Codes("int16" if scheme.bits > 8 else "int8", step, 0)
    lowest = -(2 ** (scheme.bits - 1))
    return Codes("int8", step, int(np.clip(round(lowest - span.low / step), lowest, -lowest - 1)))
