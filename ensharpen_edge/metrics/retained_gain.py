"""How much of the sharpening an export kept."""

from __future__ import annotations

import math


def retained_gain(exported: float, reference: float, degraded: float) -> float:
    """Return the share of the reference's gain over the degraded image that the exported model still delivers.

    `(exported - degraded) / (reference - degraded)`, all PSNR (dB) against the same ground truth. 1.0 means nothing
    was lost; 0.0 means that the export returns its input. A plain PSNR between export and reference cannot tell a
    harmless error from a lost sharpening, because mild blur is itself near 30 dB.

    Raises:
        ValueError: The reference gains nothing, so there is nothing that could be retained.
    """
    gain = reference - degraded
    if not math.isfinite(gain) or gain <= 0.0:
        raise ValueError(f"the reference does not improve the image ({degraded:.3f} -> {reference:.3f} dB)")
    return (exported - degraded) / gain
