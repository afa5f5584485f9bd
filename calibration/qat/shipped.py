"""Quantized checkpoints that come with the package."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from ensharpen_edge.calibration.qat.checkpoint import SUFFIX


def shipped_trained() -> dict[str, Path]:
    """Return the names and files of the networks trained in 8 bits that come with the package."""
    folder = Path(str(resources.files("ensharpen_edge.weights")))
    return {path.stem: path for path in sorted(folder.glob(f"*{SUFFIX}*.safetensors"))}
