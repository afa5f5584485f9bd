"""Quality of artifacts: a request, and everything that was measured."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ensharpen_edge.artifact import Artifact
from ensharpen_edge.benchmarks.quality.card_scores import Card, open_card
from ensharpen_edge.benchmarks.quality.contact_sheet import SheetRow, sheet_rows
from ensharpen_edge.benchmarks.quality.edges import measure_edges
from ensharpen_edge.benchmarks.quality.scoring import (
    BEST_UNSHARP,
    DEGRADED,
    Method,
    artifact_method,
    unsharp_methods,
)
from ensharpen_edge.benchmarks.quality.selection import Selection, select_suites
from ensharpen_edge.benchmarks.quality.suite_result import SuiteResult
from ensharpen_edge.errors import UsageError
from ensharpen_edge.files import distinct_names
from ensharpen_edge.imaging.views import check_views
from ensharpen_edge.metrics.registry import METRICS, load_metrics
from ensharpen_edge.progress import Progress, no_progress
from ensharpen_edge.runtime.engines.registry import open_engine
from ensharpen_edge.runtime.self_ensemble import SelfEnsemble


@dataclass(frozen=True)
class QualityRequest:
    """Artifacts and what to measure them on.

    Attributes:
        artifacts: Artifact folders.
        selection: Photographs and suites.
        metrics: Names of the metrics; the first one ranks the unsharp masks, so higher must be better.
        baseline: One of the artifacts, by path or name, which the others are compared with; or None.
        oracles: Names of classical methods that are told the kernel.
        wrap: Whether photographs continue beyond their edges as their circular blur did.
        edges: Whether a slanted edge and flat noise are measured as well.
        self_ensemble: Also measure the mean of so many views (2, 4 or 8); 1 does not.
        cards: Cards of checkpoints that the scores are meant for; checked before anything is measured.
        sheet: Whether crops for a contact sheet are kept.
        threads: CPU threads of every engine; 0 takes OMP_NUM_THREADS, or all cores.
    """

    artifacts: tuple[Path, ...]
    selection: Selection
    metrics: tuple[str, ...] = ("psnr", "psnr-y", "ssim")
    baseline: Path | None = None
    oracles: tuple[str, ...] = ()
    wrap: bool = False
    edges: bool = False
    self_ensemble: int = 1
    cards: tuple[Path, ...] = ()
    sheet: bool = False
    threads: int = 0

    def __post_init__(self) -> None:
        if not self.artifacts:
            raise UsageError("quality needs at least one artifact")
        reserved = {DEGRADED, BEST_UNSHARP} & set(self.names)
        if reserved:
            raise UsageError(f"an artifact's folder cannot be called {reserved.pop()!r} here", hint="rename it")
        check_views(self.self_ensemble)

    @property
    def names(self) -> list[str]:
        """Names of the artifacts in tables."""
        return distinct_names(self.artifacts)

    def baseline_name(self) -> str | None:
        """Return the name of the artifact that others are compared with, or None.

        Raises:
            UsageError: It is none of the artifacts.
        """
        if self.baseline is None:
            return None
        for path, name in zip(self.artifacts, self.names, strict=True):
            if self.baseline == path or str(self.baseline) == name:
                return name
        raise UsageError(
            f"--baseline {self.baseline}: is none of the artifacts", hint=f"one of: {', '.join(self.names)}"
        )


@dataclass(frozen=True)
class QualityResult:
    """Everything that a `QualityRequest` asked for.

    Attributes:
        suites: Results of every suite on every set of photographs.
        metrics: Names of the metrics, the first one decides.
        baseline: Name of the artifact that others are compared with, or None.
        edges: MTF50, overshoot, undershoot and noise gain by method; empty where they were not asked for.
        cards: Opened cards that the scores can be recorded on.
        sheet: Crops for a contact sheet; empty where they were not asked for.
    """

    suites: tuple[SuiteResult, ...]
    metrics: tuple[str, ...]
    baseline: str | None
    edges: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    cards: tuple[Card, ...] = ()
    sheet: tuple[SheetRow, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain JSON types."""
        return {
            "suites": [suite.to_dict(self.metrics, self.baseline) for suite in self.suites],
            "edges": {name: dict(row) for name, row in self.edges.items()},
        }


def measure_quality(request: QualityRequest, progress: Progress = no_progress) -> QualityResult:
    """Measure artifacts on degraded photographs and real pairs, beside the input and the best unsharp mask.

    Raises:
        UsageError: An option cannot be met: an unknown suite, metric, oracle or baseline, or nothing to measure.
        MissingToolError: A backend, a metric's or an oracle's package is not installed.
        IntegrityError: An artifact is damaged, or a card belongs to other weights.
        BadInputError: Photographs are missing, unreadable or too small.
    """
    baseline = request.baseline_name()
    opened = {name: Artifact.open(path) for name, path in zip(request.names, request.artifacts, strict=True)}
    views = request.self_ensemble
    several = {f"{name} x{views}": name for name in opened} if views > 1 else {}
    measured = opened | {title: opened[name] for title, name in several.items()}
    cards = tuple(open_card(path, measured) for path in request.cards)
    with ExitStack() as stack:
        engines = {
            name: stack.enter_context(open_engine(artifact, threads=request.threads))
            for name, artifact in opened.items()
        }
        methods: dict[str, Method] = {name: artifact_method(opened[name], engine) for name, engine in engines.items()}
        for title, name in several.items():
            manifest = opened[name].manifest
            ensemble = SelfEnsemble(engines[name], manifest.io, manifest.shape, views)
            methods[title] = artifact_method(opened[name], ensemble)
        margin = max(artifact.manifest.shape.halo for artifact in opened.values()) if request.wrap else 0
        runs = select_suites(request.selection, request.oracles, margin)
        measures = load_metrics(request.metrics)
        if not METRICS[request.metrics[0]].higher_is_better:
            raise UsageError(f"--metrics: the first one ranks the unsharp masks, {request.metrics[0]!r} cannot")
        count = _Count(sum(run.photographs for run in runs), progress)
        suites = tuple(run.measure(methods, measures, count.advance, request.oracles) for run in runs)
        masks = {f"unsharp {setting}": mask for setting, mask in unsharp_methods().items()}
        edges = measure_edges({**masks, **methods}) if request.edges else {}
        sheet = tuple(sheet_rows(runs, suites, methods)) if request.sheet else ()
    return QualityResult(suites, request.metrics, baseline, edges, cards, sheet)


class _Count:
    """Counts photographs for a progress bar."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def advance(self) -> None:
        self._done += 1
        self._progress("photographs", self._done, self._total)
