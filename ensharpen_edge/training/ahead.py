"""Degrading on a GPU while it trains: a second thread prepares the next batches on a stream of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

import torch

Raw = TypeVar("Raw")
Made = TypeVar("Made")
_DEEP = 2
"""Batches that wait, at most."""
_POLL = 0.2
"""Seconds between two looks at whether the consumer is still there."""


class Ahead(Generic[Raw, Made]):
    """An iterator over `make(raw)` whose next results are made by another thread.

    Degradations are hundreds of small operations with a dozen answers that the CPU waits for; in the training loop's
    own thread and stream, each of these waits would be one for the training step as well.

    Args:
        raw: Items to make something of.
        make: Function that is called in the thread, in order.
        device: A CUDA device, whose second stream the thread uses; on another device there is just the thread.
    """

    def __init__(self, raw: Iterable[Raw], make: Callable[[Raw], Made], device: torch.device) -> None:
        self._raw, self._make, self._device = raw, make, device
        self._ready: queue.Queue[tuple[Made | None, torch.cuda.Event | None, BaseException | None]] = queue.Queue(_DEEP)
        self._left = threading.Event()

    def __iter__(self) -> Iterator[tuple[Made, torch.cuda.Event | None]]:
        """Yield results, each with the event that says when the GPU has finished it.

        Raises whatever `raw` or `make` raised.
        """
        thread = threading.Thread(target=self._work, name="degrade ahead", daemon=True)
        thread.start()
        try:
            while True:
                made, event, error = self._ready.get()
                if error is not None:
                    raise error
                if made is None:
                    return
                yield made, event
        finally:
            self._left.set()
            thread.join(timeout=10.0)

    def _work(self) -> None:
        try:
            if self._device.type != "cuda":
                self._make_all(None)
                return
            stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
            with torch.cuda.device(self._device), torch.cuda.stream(stream):
                self._make_all(stream)
        except BaseException as error:
            self._put((None, None, error))

    def _make_all(self, stream: torch.cuda.Stream | None) -> None:
        for item in self._raw:
            made = self._make(item)
            if not self._put((made, stream.record_event() if stream is not None else None, None)):
                return
        self._put((None, None, None))

    def _put(self, entry: tuple[Made | None, torch.cuda.Event | None, BaseException | None]) -> bool:
        """Queue an entry; False when nobody is left to take it."""
        while not self._left.is_set():
            try:
                self._ready.put(entry, timeout=_POLL)
            except queue.Full:
                continue
            return True
        return False
