"""A flatbuffer in which equal vectors are stored once."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from numpy.typing import NDArray

IDENTIFIER = b"TFL3"
"""File identifier of the schema."""

_FIRST_BYTES = 1024


class _SharingBuilder(flatbuffers.Builder):  # type: ignore[misc]
    """Shapes and zero points, eight bytes for every channel of every weight, are mostly the same few vectors.

    Vectors of bytes hold weights, whose place has an alignment of its own; they are left alone.
    """

    def __init__(self) -> None:
        super().__init__(_FIRST_BYTES)
        self._written: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: NDArray[Any]) -> int:
        """Write a vector, or return the place where an equal one is."""
        if x.dtype == np.uint8:
            return int(super().CreateNumpyVector(x))
        key = x.dtype.str, x.tobytes()
        if key not in self._written:
            self._written[key] = int(super().CreateNumpyVector(x))
        return self._written[key]


def pack_model(model: Any) -> bytes:  # noqa: ANN401 (schema's ModelT)
    """Return a model object of the schema as the bytes of a file."""
    builder = _SharingBuilder()
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())
