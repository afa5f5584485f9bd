"""The kit: graphs, what a device needs to build engines of them, and nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from ensharpen_edge.export.targets.trt.graphs import PortableGraph

Shapes = tuple[tuple[int, int, int, int], tuple[int, int, int, int], tuple[int, int, int, int]]

SIDES = ((64, 64), (720, 1280), (1088, 1920))
"""(height, width) that engines for free sizes are built for: smallest, usual, largest. The runtime cuts larger
photographs into tiles."""

_COMMAND = '''#!/usr/bin/env python3
"""Build the engine on this device: python3 build_engine.py --help"""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from ensharpen_trt.device_command import main  # noqa: E402

sys.exit(main(Path(__file__).resolve().parent))
'''


def profile_shapes(size: tuple[int, int] | None, stride: int) -> Shapes:
    """Return the smallest, the usual and the largest input shape of an engine, sides rounded up to the stride."""
    chosen = (size,) * 3 if size else SIDES
    smallest, usual, largest = ((1, 3, *(-(-side // stride) * stride for side in sides)) for sides in chosen)
    return _four(smallest), _four(usual), _four(largest)


def _four(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    count, channels, height, width = shape
    return count, channels, height, width


def write_kit(
    folder: Path, graphs: Sequence[PortableGraph], precision: str, shapes: Shapes, stride: int, image_dtype: str
) -> None:
    """Write everything but the manifest and the golden vectors, which the pipeline adds.

    Args:
        folder: The artifact's.
        graphs: Graphs to write as `NAME.onnx`.
        precision: Name of the precision that engines are wanted in.
        shapes: Input shapes from `profile_shapes`.
        stride: Sides must be multiples of it.
        image_dtype: numpy name of the dtype of the graphs' images.
    """
    import onnx

    for graph in graphs:
        onnx.save_model(graph.model, str(folder / f"{graph.name}.onnx"))
    (folder / "build_engine.py").write_text(_COMMAND, encoding="utf-8")
    modules = folder / "ensharpen_trt"
    modules.mkdir()
    for source in sorted(Path(str(resources.files("ensharpen_edge.runtime.jetson_kit"))).glob("*.py")):
        shutil.copy(source, modules / source.name)
    build: dict[str, Any] = {
        "precision": precision,
        "shapes": [list(shape) for shape in shapes],
        "multiple_of": stride,
        "image_dtype": image_dtype,
        "graphs": {graph.name: graph.purpose for graph in graphs},
    }
    (folder / "build.json").write_text(json.dumps(build, indent=2) + "\n", encoding="utf-8")
