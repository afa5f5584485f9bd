"""Quantized checkpoints that come with the package."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from ensharpen_edge.calibration.qat.checkpoint import SUFFIX


def shipped_trained(model: str, placements: Sequence[str]) -> Path | None:
    """Return the file that comes with a shipped model for the first of these placements that there is one for.

    Args:
        model: Name of a shipped model; there is none for the path of a checkpoint.
        placements: Names of placements, the best first.
    """
    if Path(model).name != model:
        return None
    folder = Path(str(resources.files("ensharpen_edge.weights")))
    files = {
        json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["quantization"]["placement"]: path
        for path in sorted(folder.glob(f"{model}{SUFFIX}*.safetensors"))
    }
    return next((files[placement] for placement in placements if placement in files), None)
