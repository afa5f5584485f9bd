"""Perceptual hashes: the same picture under two names must not be trained on and judged by."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ensharpen_edge.arrays import U8
from ensharpen_edge.data.photos import PhotoSet
from ensharpen_edge.errors import BadInputError, require

SAME_PICTURE = 6
"""Hashes of 64 bits that differ in at most so many show the same picture: resizing and recompression flip 0 to 4, and
unrelated photographs differ in about 32."""


def fingerprint(rgb: U8) -> int:
    """Return 64-bit DCT hash (pHash) of a photograph, uint8 (H, W, 3).

    Raises:
        MissingToolError: ImageHash is not installed.
    """
    imagehash = require("imagehash", "train")
    reduced = Image.fromarray(rgb)
    reduced.thumbnail((256, 256), reducing_gap=2.0)  # the hash looks at 32x32 pixels; large frames cost time only
    bits = imagehash.phash(reduced).hash.flatten()
    return int("".join("1" if bit else "0" for bit in bits), 2)


def find_overlap(first: PhotoSet, second: PhotoSet) -> list[tuple[str, str]]:
    """Return pairs of names, one of each set, that show the same picture."""
    if not first.fingerprints or not second.fingerprints:
        return []
    a = np.array(first.fingerprints, dtype=np.uint64)
    b = np.array(second.fingerprints, dtype=np.uint64)
    distances = np.bitwise_count(a[:, None] ^ b[None, :])
    rows, columns = np.nonzero(distances <= SAME_PICTURE)
    return [(first.names[i], second.names[j]) for i, j in zip(rows.tolist(), columns.tolist(), strict=True)]


def refuse_overlap(training: PhotoSet, other: PhotoSet, what: str) -> None:
    """Stop when a photograph is in both sets.

    Args:
        training: Photographs that are trained on.
        other: Photographs that judge.
        what: Name of the other set, for the message.

    Raises:
        BadInputError: Names the pairs.
    """
    pairs = find_overlap(training, other)
    if pairs:
        shown = "; ".join(f"{a} = {b}" for a, b in pairs[:5])
        raise BadInputError(
            f"{len({a for a, _ in pairs})} training photographs are also in {what}: {shown}",
            hint="remove one of each pair, or the scores will flatter",
        )
