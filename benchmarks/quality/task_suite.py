"""Quality of one artifact on the suite that belongs to its task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.benchmarks.quality.scoring import DEGRADED, artifact_method, evaluate
from ensharpen_edge.benchmarks.quality.suites import SUITES, degraded_pairs
from ensharpen_edge.files import distinct_names
from ensharpen_edge.imaging.photo_folder import photo_files
from ensharpen_edge.metrics.registry import load_metrics
from ensharpen_edge.progress import Progress, no_progress
from ensharpen_edge.runtime.engines.registry import open_engine

_SUITE_OF_TASK = {"denoise": "noise", "upscale2": "upscale2", "upscale4": "upscale4"}
"""Suites of the tasks that have one of their own; all others have `gaussian`."""

_METHOD = "artifact"


@dataclass(frozen=True)
class ConditionQuality:
    """Quality in one condition on one folder of photographs.

    Attributes:
        condition: Names of the folder and the condition.
        photographs: Number of photographs.
        degraded: Mean PSNR of the degraded photographs against the truth, dB.
        psnr: Mean PSNR of the artifact's output against the truth, dB.
    """

    condition: str
    photographs: int
    degraded: float
    psnr: float


def measure_conditions(
    artifact: Artifact,
    folders: Sequence[Path],
    threads: int = 0,
    progress: Progress = no_progress,
) -> tuple[ConditionQuality, ...]:
    """Measure every condition of the suite of the artifact's task on every folder.

    Args:
        artifact: An opened artifact.
        folders: Folders of sharp photographs.
        threads: CPU threads of the engine; 0 for `OMP_NUM_THREADS`, or all cores.
        progress: Told the name of each condition.

    Raises:
        BadInputError: A folder holds no photographs, or one of them cannot be read.
        MissingToolError: The artifact's backend is not installed.
    """
    measures = load_metrics(("psnr",))
    found = []
    with open_engine(artifact, threads=threads) as engine:
        methods = {_METHOD: artifact_method(artifact, engine)}
        for name, folder in zip(distinct_names(folders), folders, strict=True):
            files = photo_files(folder)
            for case in SUITES[_SUITE_OF_TASK.get(artifact.manifest.task, "gaussian")]:
                condition = f"{name}, {case.name}"
                progress(condition)
                scores = evaluate(degraded_pairs(files, case), methods, measures, masks={})
                means = {score.method: score.mean("psnr") for score in scores}
                found.append(ConditionQuality(condition, len(files), means[DEGRADED], means[_METHOD]))
    return tuple(found)
