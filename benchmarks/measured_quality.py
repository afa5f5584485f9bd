"""PSNR of an artifact, condition by condition, on photographs that the user names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.benchmarks.quality import artifact_method, evaluate
from ensharpen_edge.benchmarks.suites import SUITES, degraded_pairs, photo_files
from ensharpen_edge.distinct_names import distinct_names
from ensharpen_edge.metrics.registry import load_metrics
from ensharpen_edge.runtime.registry import open_engine

_TASKS = {"denoise": "noise", "upscale2": "upscale2", "upscale4": "upscale4"}
"""Tasks that have a suite of their own."""


def measured_quality(artifact: Artifact, folders: Sequence[Path]) -> dict[str, float]:
    """Mean PSNR by folder and condition of the suite for the artifact's task, dB.

    Raises:
        BadInputError: A folder without photographs.
    """
    measures = load_metrics(("psnr",))
    found = {}
    with open_engine(artifact) as engine:
        method = artifact_method(artifact, engine)
        for name, folder in zip(distinct_names(folders), folders, strict=True):
            files = photo_files(folder)
            for case in SUITES[_TASKS.get(artifact.manifest.task, "gaussian")]:
                scores = evaluate(degraded_pairs(files, case), {"artifact": method}, measures)
                (score,) = (score for score in scores if score.method == "artifact")
                found[f"{name}, {case.name}"] = score.mean("psnr")
    return found
