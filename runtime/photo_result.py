"""The result of one photograph that was sharpened from file to file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ensharpen_edge.errors import EnsharpenError
from ensharpen_edge.runtime.pipeline import Timing


@dataclass(frozen=True)
class PhotoResult:
    """One photograph's result: either `output` and times, or `error`.

    Attributes:
        source: The photograph.
        output: The file that was written, or None.
        error: The reason why there is none, or None.
        width, height: The photograph's sides in pixels.
        decode, encode: Seconds of reading and of writing.
        timing: Seconds in between, or None.
        notes: Changes that decoding and encoding had to make, a sentence each.
    """

    source: Path
    output: Path | None = None
    error: EnsharpenError | None = None
    width: int = 0
    height: int = 0
    decode: float = 0.0
    encode: float = 0.0
    timing: Timing | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON holds it, with times in milliseconds."""
        if self.error is not None or self.timing is None:
            return {"source": str(self.source), "error": str(self.error)}
        return {
            "source": str(self.source),
            "output": str(self.output),
            "width": self.width,
            "height": self.height,
            "tiles": self.timing.tiles,
            "ms": {
                "decode": round(self.decode * 1e3, 2),
                "pre": round(self.timing.pre * 1e3, 2),
                "engine": round(self.timing.engine * 1e3, 2),
                "post": round(self.timing.post * 1e3, 2),
                "encode": round(self.encode * 1e3, 2),
            },
            "notes": list(self.notes),
        }
