"""JSON has no infinity: reports say null where a PSNR is infinite or undefined."""

from __future__ import annotations

import math
from typing import Any


def json_numbers(value: Any) -> Any:  # noqa: ANN401 (any JSON value)
    """Return a copy of nested dictionaries, lists and tuples in which NaN and infinities are None."""
    if isinstance(value, dict):
        return {key: json_numbers(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_numbers(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
