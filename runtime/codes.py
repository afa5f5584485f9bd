"""Images as 8-bit codes, which files with integer inputs and outputs take instead of floats."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensharpen_edge.arrays import F32, U8
from ensharpen_edge.artifact_manifest import FLOAT_DTYPE, IoContract
from ensharpen_edge.runtime.engines.base import Runner

Codes = NDArray[Any]

_SIGN = np.uint8(0x80)


def pixels_to_codes(pixels: U8, dtype: str) -> Codes:
    """Return uint8 pixels as codes: themselves, or 128 less as int8 (a view of the same bits with the sign flipped)."""
    return pixels if dtype == "uint8" else (pixels ^ _SIGN).view(np.int8)


def codes_to_pixels(codes: Codes) -> U8:
    """Return codes as uint8 pixels, the inverse of `pixels_to_codes`."""
    if codes.dtype == np.uint8:
        return np.asarray(codes)
    return np.asarray(codes.view(np.uint8) ^ _SIGN)


def floats_to_pixels(values: Codes) -> U8:
    """Return values in [0, 1] rounded to 8 bits, uint8."""
    return np.asarray(np.rint(np.clip(values, 0.0, 1.0) * np.float32(255.0)), dtype=np.uint8)


def float_run(engine: Runner, io: IoContract, image: F32) -> F32:
    """Run an engine on floats, whatever its file takes.

    Args:
        engine: An engine, or a self-ensemble of one.
        io: The artifact's contract.
        image: (1, 3, H, W) in [0, 1]. Files with integer inputs see it rounded to 8 bits.

    Returns:
        (1, 3, H, W) in [0, 1].
    """
    batch = image if io.layout == "NCHW" else np.ascontiguousarray(image.transpose(0, 2, 3, 1))
    if io.dtype == FLOAT_DTYPE:
        output = engine.run(batch)
    else:
        codes = engine.run(pixels_to_codes(floats_to_pixels(batch), io.dtype))
        output = codes_to_pixels(codes).astype(np.float32) / np.float32(255.0)
    return np.asarray(output if io.layout == "NCHW" else output.transpose(0, 3, 1, 2))
