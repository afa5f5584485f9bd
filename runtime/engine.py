"""What every backend offers."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


class Engine(Protocol):
    """A loaded model file. Made from a verified artifact; closed by `close` or a `with` block."""

    def run(self, batch: F32) -> F32:
        """float32 (1, 3, H, W) in the manifest's range -> the same shape. H and W must fit the manifest."""
        ...

    def close(self) -> None:
        """Release memory and threads."""
        ...

    def __enter__(self) -> Engine: ...

    def __exit__(self, *exc: object) -> None: ...
