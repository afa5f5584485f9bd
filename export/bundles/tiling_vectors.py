"""Test vectors of exact tiling, which the tiler of every language replays; see `docs/tiling.md`.

`python -m ensharpen_edge.export.bundles.tiling_vectors` prints the file that ships.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Any

import numpy as np

from ensharpen_edge.arrays import U8
from ensharpen_edge.runtime.pipeline import cut_window
from ensharpen_edge.runtime.tiling import Span, Tile, TilePlan, plan_fixed, plan_tiles

VECTORS = "tiling-vectors.json"

_FRAMES = ((1, 1), (1, 700), (8, 9), (63, 65), (128, 128), (203, 301), (512, 512), (513, 1025), (1080, 1920))
_FREE: tuple[tuple[int | None, int, int, tuple[int, int]], ...] = (
    (None, 56, 8, (1, 1)),
    (400, 56, 8, (1, 1)),
    (64, 56, 8, (1, 1)),
    (100, 30, 4, (1, 1)),
    (256, 88, 32, (256, 320)),
    (96, 20, 8, (100, 60)),
)
"""Tile, halo, stride, smallest window."""
_FIXED = (((512, 512), 56, 8), ((192, 256), 56, 8), ((320, 320), 90, 32))
"""Window, halo, stride."""
_WINDOWS = (
    ((5, 7), (0, 8), (0, 8)),
    ((1, 1), (0, 8), (0, 16)),
    ((1, 9), (0, 8), (0, 16)),
    ((61, 67), (0, 64), (0, 72)),
    ((61, 67), (16, 64), (24, 72)),
    ((12, 20), (0, 64), (0, 64)),
    ((203, 301), (40, 208), (112, 304)),
)
"""Frame, rows and columns of the window."""


def tiling_vectors() -> dict[str, Any]:
    """Return the vectors as JSON types, computed by the runtime's own tiler."""
    return {"plans": list(_plans()), "windows": list(_windows())}


def frame(height: int, width: int) -> U8:
    """Return the frame of the vectors, uint8 (H, W, 3): `(7 y y + 13 x + 59 c + 3 x y) mod 256`."""
    y, x, c = np.ogrid[:height, :width, :3]
    return np.asarray((7 * y * y + 13 * x + 59 * c + 3 * x * y) % 256, dtype=np.uint8)


def shipped_vectors() -> str:
    """Return the text of the vectors that come with the package."""
    return resources.files("ensharpen_edge.export.bundles").joinpath(VECTORS).read_text(encoding="utf-8")


def as_text(vectors: dict[str, Any]) -> str:
    """Return vectors as JSON, one to a line."""
    parts = (
        f'"{name}": [\n' + ",\n".join(json.dumps(vector) for vector in vectors[name]) + "\n]"
        for name in ("plans", "windows")
    )
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _plans() -> Iterator[dict[str, Any]]:
    for height, width in _FRAMES:
        for tile, halo, stride, smallest in _FREE:
            plan = plan_tiles(height, width, tile=tile, halo=halo, stride=stride, smallest=smallest)
            how = {"tile": tile, "window": None, "halo": halo, "stride": stride, "smallest": smallest}
            yield {"height": height, "width": width, **how, **_facts(plan)}
        for window, halo, stride in _FIXED:
            plan = plan_fixed(height, width, window=window, halo=halo, stride=stride)
            how = {"tile": None, "window": window, "halo": halo, "stride": stride, "smallest": (1, 1)}
            yield {"height": height, "width": width, **how, **_facts(plan)}


def _facts(plan: TilePlan) -> dict[str, Any]:
    return {"padded": (plan.height, plan.width), "rows": _spans(plan.rows), "columns": _spans(plan.columns)}


def _spans(spans: Sequence[Span]) -> list[tuple[int, int, int, int]]:
    return [(span.start, span.end, span.keep_start, span.keep_end) for span in spans]


def _windows() -> Iterator[dict[str, Any]]:
    for (height, width), rows, columns in _WINDOWS:
        window = cut_window(frame(height, width), Tile(Span(*rows, *rows), Span(*columns, *columns)))
        checksum = zlib.adler32(np.ascontiguousarray(window).tobytes())
        yield {"height": height, "width": width, "rows": rows, "columns": columns, "adler32": checksum}


if __name__ == "__main__":
    sys.stdout.write(as_text(tiling_vectors()))
