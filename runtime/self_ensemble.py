"""Geometric self-ensemble: the mean of a network's answers to mirrored and turned views of one image.

Timofte et al., "Seven ways to improve example-based single image super resolution" (2016); the name is of Lim et al.,
EDSR (2017). A view costs as much as the image itself; an error that a network makes in one direction only averages out.
"""

from __future__ import annotations

import numpy as np

from ensharpen_edge.artifact_manifest import FLOAT_DTYPE, IoContract, ShapeContract
from ensharpen_edge.errors import UsageError
from ensharpen_edge.imaging.views import VIEWS, check_views, from_view, to_view
from ensharpen_edge.runtime.engines.base import Batch, Engine


class SelfEnsemble:
    """An engine that asks another one for `views` views, and returns their mean.

    Works window by window, so that memory does not grow, and tiles fit together as they do without it: windows lie on
    the network's grid, and mirrored ones do as well.

    Raises:
        UsageError: An unknown number of views.
    """

    def __init__(self, engine: Engine, io: IoContract, shape: ShapeContract, views: int) -> None:
        check_views(views)
        self._engine, self._shape, self._views = engine, shape, views
        self._rows, self._columns = (2, 3) if io.layout == "NCHW" else (1, 2)
        self._codes = None if io.dtype == FLOAT_DTYPE else np.dtype(io.dtype)

    @property
    def device(self) -> str:
        """The device that the engine runs on."""
        return self._engine.device

    def run(self, batch: Batch) -> Batch:
        """Return the mean over the views, see `Engine.run`; codes are averaged and rounded.

        Raises:
            UsageError: Quarter turns of a window whose turned sides the file does not take.
        """
        if self._views == VIEWS[-1]:
            self._check_turned(batch.shape[self._rows], batch.shape[self._columns])
        total = self._answer(batch, 0).astype(np.float32)
        for view in range(1, self._views):
            total += self._answer(batch, view)
        total /= np.float32(self._views)
        return total if self._codes is None else np.rint(total).astype(self._codes)

    def _check_turned(self, height: int, width: int) -> None:
        """Raise `UsageError` when the file takes windows of height x width, but not of width x height."""
        shape = self._shape
        fixed = (shape.height, shape.width) if shape.height and shape.width else None
        low, high = fixed or shape.smallest or (1, 1), fixed or shape.largest or (width, height)
        if not (low[0] <= width <= high[0] and low[1] <= height <= high[1]):
            raise UsageError(
                f"this file takes windows of {width}x{height} pixels, but not turned by 90 degrees",
                hint=f"use {VIEWS[-2]} views, or square tiles where it takes several sizes",
            )

    def _answer(self, batch: Batch, view: int) -> Batch:
        seen = to_view(batch, view, self._rows, self._columns)
        return from_view(self._engine.run(seen), view, self._rows, self._columns)

    def close(self) -> None:
        """Close the engine."""
        self._engine.close()

    def __enter__(self) -> SelfEnsemble:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
