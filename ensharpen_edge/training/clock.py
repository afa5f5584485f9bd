"""Where the time of a run goes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from ensharpen_edge.training.batches import Batch


class Clock:
    """Counts seconds of training and of waiting for data, and averages what happened since the last record.

    Args:
        spent: Seconds of earlier starts.
    """

    def __init__(self, spent: float) -> None:
        self.total = spent
        self._tick = time.monotonic()
        self._waited = self._elapsed = 0.0
        self._pixels = self._steps = 0
        self._sums: dict[str, float] = {}

    def waiting(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Pass batches on and count the time until each arrives."""
        iterator = iter(batches)
        while True:
            begin = time.monotonic()
            try:
                batch = next(iterator)
            except StopIteration:
                return
            self._waited += time.monotonic() - begin
            yield batch

    def count(self, terms: dict[str, float], pixels: int) -> None:
        """Count one step that is done."""
        now = time.monotonic()
        self.total += now - self._tick
        self._elapsed += now - self._tick
        self._tick = now
        self._steps += 1
        self._pixels += pixels
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    def skip(self) -> None:
        """Leave out what was done since the last step: validation, saving."""
        self._tick = time.monotonic()

    def record(self) -> dict[str, Any]:
        """Return means since the last record: loss terms, megapixels per second, share of time not waiting."""
        steps, elapsed = max(1, self._steps), max(1e-9, self._elapsed)
        terms = {name: round(value / steps, 6) for name, value in self._sums.items()}
        found = {
            "seconds": round(self.total, 1),
            "loss": terms.pop("loss", 0.0),
            "terms": terms,
            "mp_per_s": round(self._pixels / elapsed / 1e6, 3),
            "busy": round(1.0 - min(1.0, self._waited / elapsed), 3),
        }
        self._waited = self._elapsed = 0.0
        self._pixels = self._steps = 0
        self._sums = {}
        return found
