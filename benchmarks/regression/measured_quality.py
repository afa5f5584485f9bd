"""PSNR of an artifact, condition by condition, on photographs that the user names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.benchmarks.quality.task_suite import measure_conditions


def measured_quality(artifact: Artifact, folders: Sequence[Path]) -> dict[str, float]:
    """Return the mean PSNR by folder and condition of the suite for the artifact's task, dB.

    Raises:
        BadInputError: A folder holds no photographs.
    """
    return {score.condition: score.psnr for score in measure_conditions(artifact, folders)}
