"""Schemes of quantization: how each target wants its numbers, as data. A new target is one line in `SCHEMES`."""

from __future__ import annotations

from dataclasses import dataclass

from ensharpen_edge.calibration.ranges import Scheme
from ensharpen_edge.errors import unknown_name


@dataclass(frozen=True)
class QuantizationScheme:
    """Where quantize / dequantize pairs go, and what codes they hold. Weights are int8, symmetric, per channel.

    Attributes:
        name: Name for files and messages.
        activations: Codes of activations.
        signed: Activation codes are int8 / int16 instead of uint8 / uint16.
        largest_weight: Largest magnitude of a weight's code. 64 where a kernel adds two products of uint8 and int8 in
            16 bits, which saturates for larger ones (x86 without VNNI).
        additions: Additions are quantized as well; otherwise they stay float and read what was not quantized.
        outputs: Whether a layer's outputs are quantized; otherwise only its inputs are.
        integer_bias: Biases become int32; otherwise they stay float.
        headroom: Ranges are so many times what calibration saw: where codes abound, only clipping hurts.
        image_codes: The image goes in and comes out as 8-bit codes.
        placements: Placements (`qat.placement.PLACEMENTS`) of networks trained in 8 bits that become such files, the
            best first.
    """

    name: str
    activations: Scheme
    signed: bool
    largest_weight: int
    additions: bool
    outputs: bool
    integer_bias: bool
    headroom: float = 1.0
    image_codes: bool = False
    placements: tuple[str, ...] = ()


SCHEMES: dict[str, QuantizationScheme] = {
    "onnx": QuantizationScheme("onnx", Scheme(8), False, 64, True, True, True),
    "onnx vnni": QuantizationScheme(
        "onnx vnni", Scheme(8), False, 127, True, True, True, placements=("everything asymmetric",)
    ),
    "onnx int16": QuantizationScheme("onnx int16", Scheme(16), False, 127, True, True, True),
    "trt": QuantizationScheme(
        "trt", Scheme(8, symmetric=True), True, 127, False, False, False, placements=("convolutions",)
    ),
    "coreml": QuantizationScheme("coreml", Scheme(8), True, 127, False, False, False),
    "tflite": QuantizationScheme(
        "tflite",
        Scheme(8),
        True,
        127,
        True,
        True,
        True,
        image_codes=True,
        placements=("everything asymmetric", "everything"),
    ),
    "tflite int16": QuantizationScheme(
        "tflite int16", Scheme(16, symmetric=True), True, 127, True, True, True, headroom=4.0
    ),
}
"""`onnx`: right on every CPU. `onnx vnni`: one more bit of weights, for CPUs known to have VNNI (or Arm's dot
products). `onnx int16`: 16-bit activations; a measure of what the activations' 8 bits cost. `trt`: explicit Q/DQ
at the inputs of convolutions, signed and symmetric, as every TensorRT since 8.5 takes it. `coreml`: the same places,
with any zero. `tflite`: LiteRT's 8-bit specification. `tflite int16`: its 16-bit activations, which few devices run
fast."""


def find_scheme(name: str) -> QuantizationScheme:
    """Return the scheme called `name`.

    Raises:
        UsageError: No such scheme; names the nearest.
    """
    if name not in SCHEMES:
        raise unknown_name("scheme", name, SCHEMES)
    return SCHEMES[name]
