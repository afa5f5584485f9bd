"""Whether a TFLite file keeps weights in other files, read from its bytes without a flatbuffers library.

A flatbuffer begins with the offset of its root table. A table begins with the distance back to its list of offsets,
whose entry for slot i is at byte 4 + 2 i and is 0, or missing, where the table has no such field. In TFLite's schema
the root is `Model`, and its slots 8 and 9 are `external_buffer_groups`, which names other files, and
`external_buffers`, which are parts of them. Buffers with an `offset` and a `size` lie in the same file, and LiteRT
checks that they do.
"""

from __future__ import annotations

import struct

_SLOTS = (8, 9)


def has_external_buffers(content: bytes) -> bool:
    """Whether the model that these bytes hold names other files, or parts of them.

    Raises:
        ValueError: The bytes are no flatbuffer, or are cut.
    """
    try:
        (root,) = struct.unpack_from("<I", content)
        (back,) = struct.unpack_from("<i", content, root)
        offsets = root - back
        if offsets < 0:
            raise ValueError("its first table has no list of offsets")
        (size,) = struct.unpack_from("<H", content, offsets)
        fields = [
            struct.unpack_from("<H", content, offsets + 4 + 2 * slot)[0] for slot in _SLOTS if size >= 6 + 2 * slot
        ]
        return any(_vector_length(content, root + field) for field in fields if field)
    except struct.error as error:
        raise ValueError(f"it is cut ({error})") from error


def _vector_length(content: bytes, field: int) -> int:
    """The number of elements of the vector that a field refers to."""
    (distance,) = struct.unpack_from("<I", content, field)
    (length,) = struct.unpack_from("<I", content, field + distance)
    return int(length)
