"""Learning rate over a run."""

from __future__ import annotations

import math


def cosine_with_warmup(step: int, total: int, peak: float, warmup: int = 200, floor: float = 1e-6) -> float:
    """Return linear rise to `peak` over `warmup` steps, then a half cosine down to `floor` at `total`.

    A run that is short rises for a tenth of it.
    """
    warmup = min(warmup, max(1, total // 10))
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, total - warmup))
    return floor + 0.5 * (peak - floor) * (1.0 + math.cos(math.pi * progress))
