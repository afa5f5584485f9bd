"""What every backend offers."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Batch = NDArray[Any]


class Engine(Protocol):
    """A loaded model file. Made from a verified artifact; closed by `close` or a `with` block.

    Attributes:
        device: Where it really runs: `cpu`, `cuda`, Core ML's `gpu`, `ane` or `all`, or `interpreter`.
    """

    @property
    def device(self) -> str: ...

    def run(self, batch: Batch) -> Batch:
        """(1, 3, H, W) or (1, H, W, 3), as the manifest's layout, dtype and range say -> the same kind. H and W must
        fit the manifest."""
        ...

    def close(self) -> None:
        """Release memory and threads."""
        ...

    def __enter__(self) -> Engine: ...

    def __exit__(self, *exc: object) -> None: ...
